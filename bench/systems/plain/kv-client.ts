/** The key-value store for services that are not in its address space: what they get and put is copied. */
import {
  KV_BAD_KEY,
  KV_CONFLICT,
  KV_NO_SUCH_KEY,
  KV_NOT_A_COUNTER,
  OK,
} from '../../../core/status.ts';

