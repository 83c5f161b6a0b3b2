import type { Case } from './case.ts'
import { type Estimate, type Ratio, uncertainty } from './estimate.ts'

const PEERS: Readonly<Record<Case['peer'], string>> = {
  plain: 'plain peer',
  gro: 'GRO at peer',
  pass: 'peer passes by program',
  drop: 'peer drops by program',
}

/** 'native GRO': what fits into a column. */
export function brieflyOf({ mode, peer }: Case): string {
  return `${mode.padEnd(7)} ${peer === 'gro' ? 'GRO' : peer}`
}

/** 'native, GRO at peer'. */
export function howOf({ mode, peer }: Case): string {
  return `${mode}, ${PEERS[peer]}`
}

/** '64 bytes, bpf_redirect, 1 core'; of another machine's traffic 'as sent, bpf_redirect'. */
export function whatOf({ size, via, cores }: Case): string {
  return [sizeOf(size), via, ...(cores === 0 ? [] : [coresOf(cores)])].join(', ')
}

export function sizeOf(size: number): string {
  return size === 0 ? 'as sent' : `${size} bytes`
}

export function coresOf(cores: number): string {
  return cores === 1 ? '1 core' : `${cores} cores`
}

/** '1.28 M/s': frames per second. */
export function perSecond(rate: number): string {
  const [unit, name] = rate >= 999_500 ? [1e6, 'M/s'] : rate >= 999.5 ? [1e3, 'k/s'] : [1, '/s']
  return `${threeDigits(rate / unit)} ${name}`
}

/** '± 2.3 %'. */
export function plusMinus(estimate: Estimate): string {
  const percent = 100 * uncertainty(estimate)
  return `± ${percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)} %`
}

/** '1.25 × (1.19 – 1.31)'. */
export function times({ ratio, low, high }: Ratio): string {
  return `${ratio.toFixed(2)} × (${low.toFixed(2)} – ${high.toFixed(2)})`
}

/** 0 % and 100 % only where it is so to the frame. */
export function partOf(part: number, whole: number): string {
  if (part === whole) return '100 %'
  if (part === 0) return '0 %'
  const percent = (100 * part) / whole
  if (percent < 0.1) return '< 0.1 %'
  return percent > 99.9 && percent < 100 ? '> 99.9 %' : `${percent.toFixed(1)} %`
}

/** '20,000'. */
export function frames(count: number): string {
  return count.toLocaleString('en')
}

/** Three digits that say something: 1.28, 12.8, 128, 1280. */
export function threeDigits(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2)
}
