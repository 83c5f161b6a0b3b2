import { SystemError } from '../wire/errors.ts'

/** The verifier refused a program. */
export class ProgramError extends SystemError {
  override name = 'ProgramError'
  /** The program's name. */
  readonly program: string
  /** All that the verifier wrote, up to 1 MB. */
  readonly log: string

  constructor(errno: number, program: string, log: string) {
    super(errno, 'bpf BPF_PROG_LOAD', `${program}: ${complaint(log)}`)
    this.program = program
    this.log = log
  }
}

/**
 * The reason: the log's last line that is not statistics ('processed 3 insns …', 'verification time …'). A newer kernel
 * (7.3 does, 6.18 does not) explains it after that, under 'Verification failed: …'.
 */
function complaint(log: string): string {
  const lines = log
    .replace(/^Verification failed: .*/ms, '')
    .split('\n')
    .filter(line => line !== '' && !/^(processed|verification time|stack depth) /.test(line))
  return lines.at(-1) ?? log.trim()
}
