import { extname } from 'node:path'

/** What Node needs so as to run our files: tsx, or nothing where they were compiled, as test/kernels does. */
export const EXTENSION = extname(import.meta.filename)
export const LOADER: readonly string[] = EXTENSION === '.ts' ? ['--import', 'tsx'] : []

/** How often a test does something that it does again and again; an emulated processor takes a hundred times as long. */
export function often(times: number, emulated: number): number {
  return process.env.VETH_NL_EMULATED === '1' ? emulated : times
}
