/**
 * Verdict against frames, in states that a random walk comes to: `npm run test:walk -- [--seed N] [--steps N]`, as
 * root. Exit status 1 when they disagree, with the command that does the same walk again.
 */
import { parseArgs } from 'node:util'
import { walk } from './walk.ts'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, steps: { type: 'string', default: '2000' } },
})
const seed = wholeNumber('seed', values.seed ?? String(Math.floor(Math.random() * 2 ** 32)))
const steps = wholeNumber('steps', values.steps)

process.stdout.write(`seed ${seed}, ${steps} steps\n`)
try {
  const { states, delivered, refused, repaired } = await walk(seed, steps, done => {
    if (done % 200 === 0) process.stderr.write(`${done} of ${steps}\n`)
  })
  process.stdout.write(
    `${states} distinct states; frames arrived in ${delivered} and were lost in ${refused}, each as predicted; ` +
      `${repaired} repairs proven and undone\n`,
  )
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}

function wholeNumber(option: string, text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  process.stderr.write(`test:walk: --${option} takes a number, not '${text}'\n`)
  process.exit(2)
}
