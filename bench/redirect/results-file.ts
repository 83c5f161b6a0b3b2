import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { checkResults, type Results, SCHEMA, VERSION } from './results.ts'

/** Writes results.json whole or not at all, whenever the process ends: a file beside it takes its place. */
export function writeResults(file: string, results: Results): void {
  writeWhole(file, `${JSON.stringify(results, null, 1)}\n`)
}

/** @throws SystemError when it cannot be read, TypeError when it is no results.json: which field is wrong, and how. */
export function readResults(file: string): Results {
  const content = readFileSync(file, 'utf8')
  try {
    return parseResults(content)
  } catch (error) {
    throw new TypeError(`${file}: ${(error as Error).message}`)
  }
}

function parseResults(content: string): Results {
  const document: unknown = JSON.parse(content)
  if (
    typeof document === 'object' &&
    document !== null &&
    'schema' in document &&
    document.schema === SCHEMA
  ) {
    const version = 'version' in document ? document.version : undefined
    if (typeof version === 'number' && version > VERSION) {
      throw new TypeError(`version: ${version} is of a later veth-nl; this one reads ${VERSION}`)
    }
    if (version === 1) {
      throw new TypeError(
        `version: 1 does not tell its settings, without which runs cannot be compared; this one reads ${VERSION}: measure again`,
      )
    }
  }
  return checkResults(document, '')
}

/** Whole or not at all. Killed meanwhile it leaves a file beside: `file`.PID.part. */
export function writeWhole(file: string, content: string, mode = 0o666): void {
  const beside = `${file}.${process.pid}.part`
  try {
    const descriptor = openSync(beside, 'w', mode)
    try {
      writeSync(descriptor, content)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(beside, file)
  } catch (error) {
    rmSync(beside, { force: true })
    throw error
  }
}
