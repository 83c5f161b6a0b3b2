import { count, type KernelResult, type Outcome, predicted, skipReasons } from './outcomes.ts'
import { compareReleases, SERIES } from './series.ts'

/** docs/kernels.md: what the run found, and nothing else; of tests only where all of them ran. */
export function kernelsPage(run: readonly KernelResult[], whole: boolean): string {
  const all = run.toSorted((a, b) => compareReleases(a.release, b.release))
  const results = all.filter(({ capabilities }) => capabilities !== null)
  const releases = results.map(nameOf)
  const trials = results[0]!.capabilities!.map(({ what }) => what)
  const found = (what: string) =>
    results.map(({ capabilities }) => capabilities!.find(one => one.what === what)!.found)
  return `# Kernels

Written by \`npm run test:kernels -- --docs\`, from what it found: do not edit. The tests that a kernel decides run on
Debian's kernels ${SERIES.slice(0, -1).join(', ')} and the newest ${SERIES.at(-1)}.x, and on the one that the machine runs. Debian's are booted
by QEMU in software over the machine's own files, read-only: no image, no hardware virtualisation.

\`\`\`
npm run test:kernels                                      # all; as root, for the machine's own kernel
npm run test:kernels -- --kernel 6.1 --files test/veth    # one series, and some files
npm run test:kernels -- --kernel 6.1 --run 'uname -a'     # any command in the machine, here
\`\`\`

It takes Debian's packages of the kernels from the mirror that apt uses, without touching apt's own lists, and keeps them in
\`~/.cache/veth-nl/kernels\`.

## What a kernel can do

Each was tried, none is concluded from the release. 'Redirect' is what became of ordinary frames that a program on a third
veth redirected in native mode: all arrive, or all are lost under an errno.

${table(
  ['', ...releases],
  trials.map(what => [what, ...found(what)]),
)}

${whole ? testsOf(results) + nicsOf(all) : ''}`
}

/** What the tests of NICs found, with each kind of NIC. */
function nicsOf(all: readonly KernelResult[]): string {
  const results = all.filter(({ tests }) => tests.some(isOfNics))
  const names = new Set(
    results.flatMap(({ tests }) => tests.filter(isOfNics).map(({ name }) => name.at(-1)!)),
  )
  const found = (name: string) =>
    results.map(
      ({ tests }) => tests.find(test => isOfNics(test) && test.name.at(-1) === name)?.outcome ?? '–',
    )
  return `
## NICs

Each machine has two NICs back to back, emulated by QEMU: virtio's, or Intel's 82576, whose driver is igb. Kernel pktgen sends
out of one; a program in the driver of the other redirects into a veth, whose peer is in another network namespace
(\`test/bench/nics.test.ts\`).

${table(
  ['', ...results.map(({ release }) => (release.endsWith(' igb') ? release : `${release} virtio_net`))],
  [...names].map(name => [name, ...found(name)]),
)}
`
}

const NIC_SUITES = ['pktgen through two NICs', 'the benchmark between two NICs']

function isOfNics({ name: [suite], outcome }: Outcome): boolean {
  return suite !== undefined && NIC_SUITES.includes(suite) && outcome !== 'skipped'
}

function testsOf(results: readonly KernelResult[]): string {
  const reasons = new Set(results.flatMap(({ tests }) => skipReasons(tests).map(([reason]) => reason)))
  const skipped = (reason: string) =>
    results.map(({ tests }) => String(new Map(skipReasons(tests)).get(reason) ?? '–'))
  const outcomes = (['passed', 'failed', 'skipped'] as const).map(outcome => [
    outcome,
    ...results.map(({ tests }) => String(count(tests, outcome))),
  ])
  return `
## Tests

A group of tests that is skipped as a whole counts as one.

${table(
  ['', ...results.map(nameOf)],
  [
    ...outcomes,
    [
      'scenarios of [redirect.md](redirect.md) predicted as measured',
      ...results.map(({ tests }) => predicted(tests)),
    ],
    ...[...reasons].map(reason => [`skipped: ${reason}`, ...skipped(reason)]),
  ],
)}
`
}

/** Debian's releases whole; of others the number: what follows it is the machine's own affair. */
function nameOf({ release }: KernelResult): string {
  return release.endsWith('-amd64') ? release : release.replace(/-.*/, '')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
