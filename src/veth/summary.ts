import { printable } from '../wire/device-ref.ts'
import type { RedirectFacts } from './facts.ts'
import { hasNativeProgram } from './napi-rule.ts'
import type { Plan } from './repairs.ts'
import { at, type Losing, subjectOf } from './step.ts'
import type { Place } from './verdict.ts'

/** Where the frame is lost, why, and whether that is certain. */
interface Finding {
  readonly first: Losing
  readonly cause: Losing
  readonly sure: boolean
}

/** The sentences that a tired engineer needs. finding: null when the frame arrives. */
export function summaryOf(facts: RedirectFacts, finding: Finding | null, plan: Plan): string {
  const way = wayInWords(facts)
  if (finding === null) return `${capital(way)} will arrive at ${destination(facts)}.`
  const { first, cause, sure } = finding
  if (!sure) return `Whether ${way} arrives cannot be told: ${cause.loss.because}.`
  const uncertain = first.check.ok === null
  const how = uncertain ? 'one way or another' : report(first.loss.code, first.loss.where)
  return `${capital(way)} fails: ${cause.loss.because}; ${how}.${cure(plan)}`
}

function wayInWords({ way, target, ref }: RedirectFacts): string {
  const name = printable(target?.link.name ?? String(ref.name ?? ref.device))
  const mode = `${way.mode}-mode`
  switch (way.via) {
    case 'redirect':
      return `a ${mode} redirect into ${name}`
    case 'broadcast':
      return `a ${mode} broadcast that includes ${name}`
    case 'tx':
      return `${mode} XDP_TX on ${name}`
  }
}

function destination({ way, peer }: RedirectFacts): string {
  if (peer === null) return 'the other end'
  const program = peer.link.xdp?.programId ?? 0
  const runs = way.mode === 'native' && hasNativeProgram(peer.link)
  return `${at(subjectOf(peer))}${runs && program !== 0 ? `, whose native program (id ${program}) gets it` : ''}`
}

function report(code: string | null, where: Place | null): string {
  if (where === null) return 'the kernel reports nothing'
  const { function: fn, tracepoint, counter } = where
  const counted = counter === null ? '' : `; ${counter} grows`
  if (code !== null) {
    return tracepoint === null
      ? `${fn} refuses it with ${code}`
      : `${fn} refuses it with ${code}, shown by ${tracepoint}${counted}`
  }
  return tracepoint === null
    ? `${fn} loses it without an error${counter === null ? ', a trace or a counter' : ` or a trace${counted}`}`
    : `${fn} drops it without an error; ${tracepoint} has it among its drops, with err 0${counted}`
}

function cure({ steps, none }: Plan): string {
  if (steps.length === 0) return none === '' ? '' : ` No repair: ${none}.`
  return ` To repair it: ${steps.map(({ command }) => command).join('; ')}`
}

function capital(sentence: string): string {
  return sentence[0]!.toUpperCase() + sentence.slice(1)
}
