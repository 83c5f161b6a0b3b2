/**
 * Node's own modules, for this room. `import … from 'node:fs'` would first make a module of everything that fs exports, a
 * getter among them that loads all of Node's streams: 2 ms of a program's start. What is asked for here is there already.
 */
export const {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  promises,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} = process.getBuiltinModule('node:fs')
export const { dirname, join } = process.getBuiltinModule('node:path')
export const { fileURLToPath } = process.getBuiltinModule('node:url')
