/**
 * A watch against changes in bursts, while its consumer sleeps: `npm run test:storm -- [--seeds N] [--seed N] [--changes N]`,
 * as root. Each seed twice: with room for all messages, and with so little that the kernel loses some. Exit status 1 when
 * the consumer's table is not the kernel's in the end.
 */
import { parseArgs } from 'node:util'
import { SMALL, storm } from './storm.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    seed: { type: 'string' },
    changes: { type: 'string', default: '100000' },
  },
})
const count = wholeNumber('seeds', values.seeds)
const changes = wholeNumber('changes', values.changes)
const first = values.seed === undefined ? null : wholeNumber('seed', values.seed)

for (let i = 0; i < count; i++) {
  const seed = first === null ? Math.floor(Math.random() * 2 ** 32) : first + i
  for (const receiveBuffer of [undefined, SMALL]) {
    const size = receiveBuffer === undefined ? '' : `, ${receiveBuffer} bytes`
    try {
      const { events, losses, links } = await storm({ seed, changes, receiveBuffer })
      process.stdout.write(
        `seed ${seed}${size}: ${changes} changes, ${events} events, ${losses} losses; ${links} links as the kernel has them\n`,
      )
      if (receiveBuffer !== undefined && losses < 10)
        throw new Error(`only ${losses} losses: this is no storm`)
    } catch (error) {
      process.stderr.write(`seed ${seed}${size}: ${(error as Error).message}\n`)
      process.exitCode = 1
    }
  }
}

function wholeNumber(option: string, text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  process.stderr.write(`test:storm: --${option} takes a number, not '${text}'\n`)
  process.exit(2)
}
