import { parseArgs } from 'node:util'

/** The command line of a benchmark that has `--rounds N`, `--quick` and `--json`; with others it ends, status 2. */
export function roundsLine<S extends { readonly rounds: number }>(name: string, full: S, quick: S) {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
    const { rounds } = values
    if (rounds !== undefined && !/^[1-9]\d{0,3}$/.test(rounds)) {
      throw new TypeError(`--rounds takes a number, not '${rounds}'`)
    }
    const basis = values.quick ? quick : full
    const settings: S = rounds === undefined ? basis : { ...basis, rounds: Number(rounds) }
    return { quick: values.quick, json: values.json, settings }
  } catch (error) {
    process.stderr.write(`${name}: ${(error as Error).message}\n`)
    process.exit(2)
  }
}
