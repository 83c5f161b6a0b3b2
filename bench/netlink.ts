/**
 * How near the library comes to the physical limit, and whether the program stays responsive:
 * `npm run bench:netlink -- [--links N] [--rounds N] [--quick] [--json]`, as root. Exit status 1 where a bound fails
 * (not with --quick, which only shows that the benchmark runs), 2 for wrong usage.
 */
import { parseArgs } from 'node:util'
import { atRest, IN_FLIGHT, whileDeletedOneByOne, whileNetnsEnds } from './contention.ts'
import { contestants } from './contestants.ts'
import { countLinks, endsOf, makeLab } from './lab.ts'
import { OURS_SYNC } from './ours.ts'
import { progressOf } from './progress.ts'
import { asText, bound, type Contention, machine, type Report } from './report.ts'
import { runHolds, runRounds } from './rounds.ts'

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
  const kinds = [
    { meanwhile: '0, nobody else at work', feel: () => atRest(netns, 0) },
    { meanwhile: `${IN_FLIGHT}, nobody else at work`, feel: () => atRest(netns, IN_FLIGHT) },
    {
      meanwhile: `${IN_FLIGHT}, ${deleted} veths deleted one by one`,
      feel: () => whileDeletedOneByOne(netns, deleted),
    },
    {
      meanwhile: `${IN_FLIGHT}, a namespace of ${deleted} veths ends`,
      feel: () => whileNetnsEnds(netns, deleted),
    },
  ]
  const repeating = progressOf('runs under contention', repeats * kinds.length)
  for (const { meanwhile, feel } of kinds) {
    const felt = []
    for (let repeat = 0; repeat < repeats; repeat++) {
      felt.push(await feel())
      repeating(contention.length * repeats + repeat + 1)
    }
    contention.push({ meanwhile, repeats: felt })
  }
  netns.remove()

  const [limit] = taken
  const sync = taken.find(({ name }) => name === OURS_SYNC)
  const disturbed = contention.slice(2).flatMap(({ repeats }) => repeats)
  const bounds = [
    bound('one link by name, sync', 'x', sync!.getLink.median / limit!.getLink.median, 2),
    bound('all links, decoded and kept, sync', 'x', sync!.listLinks.median / limit!.listLinks.median, 2),
    bound('loop held under contention', 'ms', Math.max(...disturbed.map(felt => felt.loopHeld)), 5),
    bound('fs.stat under contention', 'ms', Math.max(...disturbed.map(felt => felt.stat)), 30),
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
