/** Parts of a module that are not as the guard makes them: each module is valid WebAssembly, and must be refused. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HOME_DEADLINE_MS, HOME_GLOBALS } from '../../core/layout.ts';
import { opcodeNamed } from './opcodes.ts';
import { assembleBody, closeModule, type OpenModule, openModule, withBody } from './testing-edit.ts';
import { opcodeBytes, unsigned } from './testing-modules.ts';
import { FUNCTIONS, refusalOf, SUBJECT, verify } from './testing-verify.ts';
import type { GuardedModule } from './types.ts';

describe('parts of the module', () => {
  function refusedModule(edit: (module: OpenModule) => void, reason: RegExp): void {
    const module = openModule(SUBJECT);
    edit(module);
    const guarded = closeModule(module);
    if (!WebAssembly.validate(guarded.bytes)) new WebAssembly.Module(guarded.bytes);
    const error = refusalOf(() => verify(guarded));
    assert.equal(error.code, 'MODULE_UNPROVEN', error.message);
    assert.match(error.message, reason);
  }

  const added = FUNCTIONS.writeRange;

  test('imports', () => {
    const import_ = (name: string, from = 'jord') => ({
      module: from,
      name,
      kind: 'function' as const,
      index: 0,
      offset: 0,
    });
    for (const entry of [import_('argbuf_steal'), import_('argbuf_new', 'env'), import_('time')]) {
      refusedModule((module) => {
        module.parts.imports = module.parts.imports.map((old) => (old.kind === 'function' ? entry : old));
      }, /an import of the function/);
    }
    refusedModule((module) => {
      module.parts.imports = [
        ...module.parts.imports,
        { module: 'jord', name: 'g', kind: 'global', index: 0, offset: 0 },
      ];
      module.parts.globals = [
        { type: 'i32', mutable: false, initial: new Uint8Array(0), offset: 0 },
        ...module.parts.globals,
      ];
    }, /an import of the global/);
    refusedModule((module) => {
      module.parts.imports = [...module.parts.imports, { module: 'jord', name: 't', kind: 'tag', index: 0, offset: 0 }];
      module.parts.tags = [module.parts.tags[0] ?? 0, ...module.parts.tags];
    }, /an import of the tag/);
    refusedModule((module) => {
      module.parts.imports = module.parts.imports.map((old) =>
        old.kind === 'memory' ? { ...old, name: 'memory2' } : old,
      );
    }, /an import of the memory/);
  });

  test('the memory', () => {
    for (const change of [{ shared: false }, { minimum: 1 }, { maximum: 65535, minimum: 65535 }, { minimum: 65535 }]) {
      refusedModule((module) => {
        module.parts.memories = module.parts.memories.map((memory) => ({ ...memory, ...change }));
      }, /not the address space/);
    }
    refusedModule((module) => {
      module.parts.imports = module.parts.imports.filter(({ kind }) => kind !== 'memory');
    }, /not the address space/);
  });

  test('exports', () => {
    const entry = (name: string, kind: 'function' | 'memory' | 'table' | 'tag' | 'global', index: number) => ({
      name,
      kind,
      index,
      offset: 0,
    });
    for (const more of [
      entry('more', 'function', FUNCTIONS.other),
      entry('more', 'function', added),
      entry('memory', 'memory', 0),
      entry('table', 'table', 0),
      entry('tag', 'tag', 0),
      entry('global', 'global', 0),
    ]) {
      refusedModule((module) => {
        module.parts.exports = [...module.parts.exports, more];
      }, /an export of the/);
    }
    const replace =
      (name: string, index: number) =>
      (module: OpenModule): void => {
        module.parts.exports = module.parts.exports.map((old) => (old.name === name ? { ...old, index } : old));
      };
    refusedModule(replace('handle', FUNCTIONS.nothing), /an export of the function "handle"/);
    refusedModule(replace('handle', added), /an export of the function "handle"/);
    refusedModule(replace('jord:init', FUNCTIONS.nothing), /an export of the function "jord:init"/);
    refusedModule((module) => {
      module.parts.exports = module.parts.exports.filter(({ name }) => name !== 'handle');
    }, /an export is missing/);
    refusedModule((module) => {
      module.parts.exports = module.parts.exports.filter(({ name }) => name !== 'jord:init');
    }, /an export is missing/);
  });

  test('globals and segments', () => {
    refusedModule((module) => {
      module.parts.globals = module.parts.globals.map((global) => ({ ...global, mutable: true }));
    }, /a mutable global/);
    refusedModule((module) => {
      module.parts.data = module.parts.data.map((segment) => ({ ...segment, place: Uint8Array.of(0x41, 0, 0x0b) }));
    }, /written when the module is instantiated/);
    refusedModule((module) => {
      module.parts.elements = module.parts.elements.map((segment) => ({ ...segment, functions: [added] }));
    }, /a reference to function/);
    refusedModule((module) => {
      module.parts.globals = [
        ...module.parts.globals,
        { type: 'funcref', mutable: false, initial: Uint8Array.of(0xd2, added, 0x0b), offset: 0 },
      ];
    }, /a reference to function/);
  });

  test('a function without base', () => {
    const module = openModule(SUBJECT);
    const bare = module.parts.types.findIndex(({ parameters, results }) => parameters.length + results.length === 0);
    module.parts.functions = module.parts.functions.map((old, i) => (i === FUNCTIONS.nothing ? bare : old));
    module.bodies[FUNCTIONS.nothing - module.importedFunctions] = assembleBody([], '');
    module.parts.exports = module.parts.exports.filter(({ name }) => name !== 'nothing');
    module.parts.elements = [];
    const guarded = closeModule(module);
    assert.ok(WebAssembly.validate(guarded.bytes));
    const exports = guarded.exports.filter(({ name }) => name !== 'nothing');
    assert.match(refusalOf(() => verify({ ...guarded, exports })).message, /a function without base/);
    // It may be the start function then, which nobody calls with base.
    module.parts.start = FUNCTIONS.nothing;
    assert.match(refusalOf(() => verify({ ...closeModule(module), exports })).message, /a start function/);
  });

  test("the guard's functions", () => {
    for (const name of [
      'jord:check-read',
      'jord:check-write',
      'jord:readable-end',
      'jord:read-range',
      'jord:write-range',
      'jord:memory.copy',
      'jord:memory.grow',
      'jord:interrupted',
      'jord:memory.init 0',
    ]) {
      const error = refusalOf(() => verify(withBody(SUBJECT, name, assembleBody([], 'unreachable'))));
      assert.match(error.message, /it is not jord:|flag of a data segment/);
    }
    const swapped = openModule(SUBJECT);
    const at = FUNCTIONS.checkRead - swapped.importedFunctions;
    const [read, write] = [swapped.bodies[at], swapped.bodies[at + 1]];
    assert.ok(read !== undefined && write !== undefined);
    swapped.bodies[at + 1] = read;
    assert.match(refusalOf(() => verify(closeModule(swapped))).message, /it is not jord:check-write/);
  });

  test('a flag of a data segment outside of the globals', () => {
    const open = openModule(SUBJECT);
    const body = Array.from(open.bodies[FUNCTIONS.initSegment - open.importedFunctions] ?? []);
    const end = HOME_GLOBALS + SUBJECT.layout.globalsSize;
    const read = (place: number): number[] => [...opcodeBytes(opcodeNamed('i32.load8_u')), 0, ...unsigned(place)];
    const flags = Array.from({ length: SUBJECT.layout.globalsSize }, (_, i) => HOME_GLOBALS + i);
    const found = flags.filter((flag) => body.join().includes(`,${read(flag).join()},`));
    assert.equal(found.length, 1);
    const [flag = 0] = found;
    const withFlag = (place: number): GuardedModule => {
      const text = body.join().replace(`,${read(flag).join()},`, `,${read(place).join()},`);
      const guarded = withBody(SUBJECT, 'jord:memory.init 0', Uint8Array.from(text.split(','), Number));
      assert.ok(WebAssembly.validate(guarded.bytes));
      return guarded;
    };
    for (const place of flags) verify(withFlag(place));
    for (const place of [0, HOME_DEADLINE_MS, HOME_GLOBALS - 1, end, SUBJECT.layout.headerSize, 0xffff_ffff]) {
      const error = refusalOf(() => verify(withFlag(place)));
      assert.equal(error.code, 'MODULE_UNPROVEN', `${place}`);
      assert.match(error.message, /a flag of a data segment/, `${place}`);
    }
  });

  test('sections that nobody knows', () => {
    const section = (name: string): Uint8Array<ArrayBuffer> => {
      const bytes = new TextEncoder().encode(name);
      return Uint8Array.from([...SUBJECT.bytes, 0, bytes.length + 1, bytes.length, ...bytes]);
    };
    verify({ ...SUBJECT, bytes: section('name') });
    const error = refusalOf(() => verify({ ...SUBJECT, bytes: section('compilationHints') }));
    assert.match(error.message, /a section "compilationHints"/);
  });

  test('what is said of the module', () => {
    const refusedSaid = (change: Partial<GuardedModule>, reason: RegExp): void => {
      assert.match(refusalOf(() => verify({ ...SUBJECT, ...change })).message, reason);
    };
    const { layout, exports } = SUBJECT;
    refusedSaid({ imports: [] }, /other imports/);
    refusedSaid({ imports: ['jord.argbuf_new', 'jord.time'] }, /other imports/);
    refusedSaid({ exports: exports.slice(1) }, /an export of the function/);
    refusedSaid(
      { exports: [...exports, { name: 'more', type: { parameters: [], results: [] } }] },
      /an export is missing/,
    );
    refusedSaid(
      { exports: exports.map((entry) => ({ ...entry, type: { parameters: [], results: [] } })) },
      /an export of the function/,
    );
    for (const change of [
      { memoryLimit: layout.memoryLimit + 65536 },
      { memoryLimit: layout.memoryLimit - 1 },
      { headerSize: layout.headerSize + 64 },
      { mapOffset: layout.mapOffset + 16 },
      { mapSize: layout.mapSize - 128 },
      { chunkShift: layout.chunkShift - 1 },
      { globalsSize: layout.globalsSize + 16 },
      { homeSize: layout.homeSize - 4096 },
      { memoryInitialPages: 2 },
      { headerSize: Number.NaN },
    ]) {
      const error = refusalOf(() => verify({ ...SUBJECT, layout: { ...layout, ...change } }));
      assert.equal(error.code, 'MODULE_UNPROVEN', JSON.stringify(change));
    }
  });
});
