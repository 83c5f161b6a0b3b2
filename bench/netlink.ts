/**
 * How near the library comes to the physical limit and how far others are from it, and whether the program stays
 * responsive: `npm run bench:netlink`, as root, with
 *
 *   --only TEXT    only works and parts, or only peers, with TEXT in their names; may be repeated
 *   --install      installs the peers that are missing (apt-get; npm's into a folder that goes away)
 *   --links N,N,N  the sizes of the namespaces that are dumped
 *   --rounds N     --json    --quick (small: shows that everything runs)    --chart FILE (SVG)
 *
 * Exit status 1 where a bound fails, or, without --only, where one could not be measured (neither with --quick); 2 for
 * wrong usage.
 */
import { writeFileSync } from 'node:fs'
import { boundsOf, broken, type Measured } from './bounds.ts'
import { asChart } from './chart.ts'
import { chosen, PARTS } from './choice.ts'
import { coldStart } from './cold-start.ts'
import { type CommandLine, commandLine } from './command-line.ts'
import { contend } from './contention.ts'
import { gather } from './contestants.ts'
import { runHolds } from './holds.ts'
import { makeLab } from './lab.ts'
import { memoryPerLink } from './memory.ts'
import { machine, type Report } from './report.ts'
import { asText } from './report-text.ts'
import { runRounds, type Taken } from './rounds.ts'
import { emptyNetns, manyLinks, type Scene } from './scene.ts'
import { manyVerdicts } from './sweep.ts'
import { makeWorks } from './works.ts'

async function measure({ settings, install, only }: CommandLine): Promise<Report> {
  const { all, missing } = gather(install)
  const { contestants, work: wanted, does, part } = chosen(only, all)
  const scenes = new Map<number, Scene>()
  const withLinks = (count: number) => {
    const scene = scenes.get(count) ?? manyLinks(count)
    scenes.set(count, scene)
    return scene
  }
  // Before there are thousands of other devices.
  const verdicts = part('verdicts') ? await manyVerdicts(settings.namespaces, 4, settings.sweeps) : null
  const works = makeWorks(settings, wanted, withLinks).filter(({ what }) => does(what))
  if (works.length === 0 && !PARTS.some(part)) {
    usage(new TypeError(`--only ${only.join(' --only ')} leaves nothing`))
  }
  const taken: Taken[] = []
  for (const work of works) taken.push(await runRounds(work, contestants, settings.rounds))

  const { links: sizes, rounds } = settings
  const [middle, most] = [sizes[sizes.length >> 1]!, sizes.at(-1)!]
  const measured: Measured = {
    taken,
    memory: part('memory') ? await memoryPerLink(withLinks(middle), contestants, settings.repeats) : null,
    holds: part('holds') ? runHolds(withLinks(most), rounds, settings.gets) : null,
    contention: part('contention') ? await contend(makeLab(0), settings.deleted, settings.repeats) : [],
    verdicts,
    coldStart: part('cold-start') ? await coldStart(emptyNetns(), settings.coldStarts, contestants) : null,
  }
  return {
    schema: 'veth-nl/bench-netlink',
    version: 4,
    machine: machine(),
    missing,
    rounds,
    ...measured,
    bounds: boundsOf(measured, sizes, only.length === 0),
  }
}

function usage(error: Error): never {
  process.stderr.write(`bench:netlink: ${error.message}\n`)
  process.exit(2)
}

function parsed(): CommandLine {
  try {
    return commandLine(process.argv.slice(2))
  } catch (error) {
    usage(error as Error)
  }
}

const line = parsed()
const report = await measure(line)
if (line.chart !== undefined) writeFileSync(line.chart, asChart(report))
process.stdout.write(line.json ? `${JSON.stringify(report, null, 2)}\n` : asText(report))
if (!line.quick && broken(report.bounds, line.only.length === 0)) process.exitCode = 1
