import type { Verdict } from '../index.ts'
import type { Round, Scene } from './scene.ts'

export function printScene(release: string, { host, container }: Scene): void {
  console.log(`Linux ${release}. Three private network namespaces, two veth pairs, one XDP program:

   outside       host                                container
   gen0 ──────▶ nic0 ── bpf_redirect ──▶ veth_xxx0 ──▶ eth0

host is ${host}, container is ${container}.
`)
}

export function printRound(title: string, { sent, delivered, failure }: Round): void {
  console.log(`${title}
   nic0 received ${count(sent)} frames, eth0 ${count(delivered)}`)
  if (failure !== null) {
    const { code, errno, tracepoint, refused } = failure
    console.log(`   the kernel: ${code} (${errno}) at ${tracepoint}, ${count(refused)} times`)
  }
  console.log()
}

export function printVerdict({ code, where, summary, repairs }: Verdict): void {
  console.log(
    `   predicted without a frame: ${code ?? 'delivered'}${where === null ? '' : ` at ${where.tracepoint}`}`,
  )
  const [why = ''] = summary.split(' To repair it:')
  console.log(wrapped(why))
  for (const { command } of repairs) console.log(`\n      ${command}`)
  console.log()
}

export function printEnd(before: Round, after: Round, generic: Round, ok: boolean): void {
  const rows = [
    ['native, peer plain', before],
    ['native, GRO at peer', after],
    ['generic, peer plain', generic],
  ] as const
  console.log('                          sent   delivered   frames/s delivered')
  for (const [name, round] of rows) {
    const rate =
      round.delivered === 0 || round.nsPerFrame === null
        ? '–'
        : `${(1000 / round.nsPerFrame).toFixed(2)} million`
    console.log(
      `   ${name.padEnd(20)}${count(round.sent).padStart(7)}${count(round.delivered).padStart(12)}   ${rate}`,
    )
  }
  console.log(ok ? '\nAll as predicted.' : '\nNOT as predicted: please report it with the output of --json.')
}

function count(frames: number): string {
  return frames.toLocaleString('en')
}

/** Lines of up to 76 characters, indented like the rest. */
function wrapped(text: string): string {
  const lines: string[] = []
  let line = '  '
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > 79) {
      lines.push(line)
      line = '  '
    }
    line += ` ${word}`
  }
  return [...lines, line].join('\n')
}
