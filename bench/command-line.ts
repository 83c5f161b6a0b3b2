import { parseArgs } from 'node:util'
import type { Sizes } from './works.ts'

export interface Settings extends Sizes {
  readonly rounds: number
  /** Veths that are deleted under contention. */
  readonly deleted: number
  /** How often that is done, and links are kept for the memory that they take. */
  readonly repeats: number
  /** For many verdicts. */
  readonly namespaces: number
  readonly sweeps: number
  readonly coldStarts: number
}

const FULL: Settings = {
  links: [1001, 4001, 10_001],
  gets: 2000,
  pairs: 10,
  rounds: 15,
  deleted: 1000,
  repeats: 3,
  namespaces: 250,
  sweeps: 5,
  coldStarts: 21,
}
const QUICK: Settings = {
  links: [51, 101, 201],
  gets: 160,
  pairs: 2,
  rounds: 2,
  deleted: 40,
  repeats: 1,
  namespaces: 5,
  sweeps: 2,
  coldStarts: 2,
}

export interface CommandLine {
  readonly settings: Settings
  readonly quick: boolean
  readonly json: boolean
  readonly install: boolean
  /** A file for an SVG. */
  readonly chart: string | undefined
  /** Only works, peers and parts with one of these in their names. */
  readonly only: readonly string[]
}

/** @throws TypeError, TypeError of parseArgs(): what is wrong with it. */
export function commandLine(args: readonly string[]): CommandLine {
  const { values } = parseArgs({
    args: [...args],
    options: {
      links: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      chart: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      install: { type: 'boolean', default: false },
    },
  })
  const { quick, json, install, chart, only } = values
  const basis = quick ? QUICK : FULL
  const rounds = values.rounds === undefined ? basis.rounds : wholeNumber('rounds', values.rounds)
  const links = values.links === undefined ? basis.links : sizes(values.links)
  return { settings: { ...basis, rounds, links }, quick, json, install, chart, only }
}

/** lo and pairs: an odd number each, in order. */
function sizes(text: string): number[] {
  const each = text.split(',').map(one => Math.max(3, wholeNumber('links', one) | 1))
  return [...new Set(each)].sort((a, b) => a - b)
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new TypeError(`--${option} takes a number, not '${text}'`)
  return Number(text)
}
