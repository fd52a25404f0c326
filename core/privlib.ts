/** PrivLib: the trusted library, the only code that writes the VMA table, PDs and homes. This is the list of all it does. */
export { homeMemoryFree, initialise, reserveHostStack } from './address-space';
export { argBufNew, translate } from './arg-buf';
export { callAbort, callEnter, callLeave } from './call';
export {
  functionCreate,
  functionDestroy,
  functionHomes,
  functionRetire,
  functionSeal,
  poolTrim,
} from './function';
export {
  executorCreate,
  executorHost,
  pdCreate,
  pdDestroy,
  pdEnter,
  pdExit,
  pdHandle,
  pdHome,
  vmaMove,
  vmaShare,
} from './protection-domain';
export { vmaRelease } from './grant';
export { vmaLength, vmaMap, vmaProtect, vmaResize, vmaUnmap } from './vma-table';
