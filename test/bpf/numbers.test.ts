import { KIND, KINDS } from '../../src/bpf/btf-format.ts'
import { BPF_CMD } from '../../src/bpf/command.ts'
import { checkNumbers } from '../tools/check-numbers.ts'

checkNumbers('bpf.h', '', BPF_CMD)
checkNumbers('btf.h', 'BTF_KIND_', { ...Object.fromEntries(KINDS.map(([kind], i) => [kind, i])), ...KIND })
