/** The Jord SDK for AssemblyScript: `import { Request, Response } from "jord"`. See docs/sdk-assemblyscript.md. */

import * as log from './log';

export { ArgBuf } from './argbuf';
export { call, FunctionReference, resolve, start } from './call';
export { FetchRequest, FetchResponse, fetch } from './fetch';
export { Invocation, waitAll, waitAny } from './invocation';
export { JsonKind, JsonReader } from './json-reader';
export { JSON_DEPTH_MAX, JsonWriter } from './json-writer';
export { KeyPage, Space, Value } from './kv';
export { log };
export { Request } from './request';
export { Response } from './response';
export { Result } from './result';
export { Status, statusName } from './status';
export { random, sleep, time } from './system';
export { TextWriter } from './text-writer';
export { CodePoints, View } from './view';
