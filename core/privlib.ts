/** PrivLib: the trusted library, the only code that writes the VMA table, PDs and homes. This is the list of all it does. */
export { clockAdvance, homeMemoryFree, initialise, reserveHostStack } from './address-space';
export { argBufNew, translate } from './arg-buf';
export { callAbort, callEnter, callLeave } from './call';
export {
  functionCreate,
  functionCreated,
  functionDestroy,
  functionHomes,
  functionLive,
  functionRetire,
  functionSeal,
  functionSuspends,
  poolTrim,
} from './function';
export {
  invocationAbort,
  invocationArrive,
  invocationArrived,
  invocationCancel,
  invocationCollect,
  invocationEnd,
  invocationEnter,
  invocationForget,
  invocationInterrupt,
  invocationLeave,
  invocationNew,
  invocationRecord,
  invocationReturned,
  invocationSetFields,
  invocationState,
  invocationTake,
  invocationTakeInside,
} from './invocation';
export {
  executorCreate,
  executorHost,
  executorIdle,
  pdCreate,
  pdDestroy,
  pdEnter,
  pdExit,
  pdHandle,
  pdHome,
  pdResume,
  pdSuspend,
  vmaMove,
  vmaShare,
} from './protection-domain';
export {
  executorHasWork,
  executorPark,
  executorWake,
  hasReturned,
  offerPop,
  offerPush,
  ringAdvance,
  ringBind,
  ringLength,
  ringPeek,
  ringPush,
} from './queue';
export { executorDoom, executorRecover } from './recovery';
export { vmaRelease } from './grant';
export { vmaLength, vmaMap, vmaProtect, vmaResize, vmaUnmap } from './vma-table';
export { kvList } from './kv-list';
export { kvBind, kvCount, kvOpen, kvSetLimit, kvSetVersion, kvSpaceConfigure, kvSpaceCreate, kvSpaceOf } from './kv-space';
export { kvAdd, kvDelete, kvExpire, kvGet, kvLoad, kvPut, kvTtl, kvVersion } from './kv-store';
export { kvSpaceDrop, kvSweep } from './kv-sweep';
export { kvDirtyDone, kvDirtyTake, kvEntryKey } from './kv-writer';
