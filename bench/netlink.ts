/**
 * How near the library comes to the physical limit, and whether the program stays responsive:
 * `npm run bench:netlink -- [--links N] [--rounds N] [--quick] [--json]`, as root. Exit status 1 where a bound fails
 * (not with --quick, which only shows that the benchmark runs), 2 for wrong usage.
 */
import { parseArgs } from 'node:util'
import type { NetnsHandle } from '../src/sync.ts'
import { atRest, type Waiting, whileDeletedOneByOne, whileNetnsEnds } from './contention.ts'
import { contestants } from './contestants.ts'
import { countLinks, endsOf, makeLab } from './lab.ts'
import { OURS_SYNC } from './ours.ts'
import { progressOf } from './progress.ts'
import { asText, bound, type Contention, machine, type Report } from './report.ts'
import { runHolds, runRounds } from './rounds.ts'
import { spread } from './spread.ts'

interface Settings {
  readonly pairs: number
  readonly rounds: number
  readonly gets: number
  /** Veths that are deleted under contention, and how often. */
  readonly deleted: number
  readonly repeats: number
}

const FULL: Settings = { pairs: 2000, rounds: 15, gets: 2000, deleted: 1000, repeats: 3 }
const QUICK: Settings = { pairs: 50, rounds: 3, gets: 200, deleted: 40, repeats: 1 }

async function measure({ pairs, rounds, gets, deleted, repeats }: Settings): Promise<Report> {
  const making = progressOf('pairs made', pairs)
  const netns = makeLab(pairs, making)
  const links = countLinks(netns)
  if (links !== 2 * pairs + 1) throw new Error(`${links} links, where ${2 * pairs + 1} were made`)

  const all = contestants(netns, endsOf(pairs >> 1).name)
  const taken = await runRounds(all, { rounds, gets }, progressOf('rounds', rounds))
  const holds = await runHolds(netns, rounds)

  const contention: Contention[] = []
  const oneByOne = (here: NetnsHandle, waiting: Waiting) => whileDeletedOneByOne(here, deleted, waiting)
  const atOnce = (here: NetnsHandle, waiting: Waiting) => whileNetnsEnds(here, deleted, waiting)
  const ours = { requests: 8, files: 1 }
  const nothing = { requests: 0, files: 1 }
  const onlyFiles = { requests: 0, files: 9 }
  const ends = `a namespace of ${deleted} veths ends`
  const kinds = [
    { waiting: nothing, meanwhile: 'nobody else is at work', times: repeats, feel: atRest },
    { waiting: ours, meanwhile: 'nobody else is at work', times: repeats, feel: atRest },
    { waiting: ours, meanwhile: `${deleted} veths are deleted one by one`, times: repeats, feel: oneByOne },
    { waiting: ours, meanwhile: ends, times: 3 * repeats, feel: atOnce },
    { waiting: onlyFiles, meanwhile: ends, times: 3 * repeats, feel: atOnce },
  ]
  const repeating = progressOf('kinds of contention', kinds.length)
  for (const { waiting, meanwhile, times, feel } of kinds) {
    const felt = []
    for (let time = 0; time < times; time++) felt.push(await feel(netns, waiting))
    contention.push({ waiting, meanwhile, repeats: felt })
    repeating(contention.length)
  }
  netns.remove()

  const [limit] = taken
  const sync = taken.find(({ name }) => name === OURS_SYNC)
  const disturbed = contention.slice(2, 4).map(({ repeats }) => repeats)
  const loop = disturbed.map(felt => spread(felt.map(one => one.loopP99)).median)
  const stat = disturbed.map(felt => spread(felt.map(one => one.stat)).max)
  const bounds = [
    bound('one link by name, sync', 'x', sync!.getLink.median / limit!.getLink.median, 2),
    bound('all links, decoded and kept, sync', 'x', sync!.listLinks.median / limit!.listLinks.median, 2),
    bound('loop delay under contention, p99', 'ms', Math.max(...loop), 5),
    bound('fs.stat under contention, slowest', 'ms', Math.max(...stat), 30),
  ]
  return {
    schema: 'veth-nl/bench-netlink',
    version: 1,
    machine: machine(),
    links,
    rounds,
    gets,
    taken,
    holds,
    contention,
    bounds,
  }
}

function settingsOf({ quick, links, rounds }: { quick: boolean; links?: string; rounds?: string }): Settings {
  const basis = quick ? QUICK : FULL
  return {
    ...basis,
    pairs: links === undefined ? basis.pairs : Math.max(1, wholeNumber('links', links) >> 1),
    rounds: rounds === undefined ? basis.rounds : wholeNumber('rounds', rounds),
  }
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new TypeError(`--${option} takes a number, not '${text}'`)
  return Number(text)
}

function commandLine() {
  try {
    const { values } = parseArgs({
      options: {
        links: { type: 'string' },
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
    return { settings: settingsOf(values), quick: values.quick, json: values.json }
  } catch (error) {
    process.stderr.write(`bench:netlink: ${(error as Error).message}\n`)
    process.exit(2)
  }
}

const { settings, quick, json } = commandLine()
const report = await measure(settings)
process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : asText(report))
if (!quick && report.bounds.some(({ pass }) => !pass)) process.exitCode = 1
