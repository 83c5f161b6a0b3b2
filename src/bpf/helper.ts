/** Helpers that our programs call: enum bpf_func_id, include/uapi/linux/bpf.h. */
export const BPF_FUNC = {
  map_lookup_elem: 1,
  map_update_elem: 2,
  get_smp_processor_id: 8,
  redirect: 23,
  /** Kernel 4.8; gpl_only. */
  get_current_task: 35,
  redirect_map: 51,
  /** Kernel 5.5; gpl_only. */
  probe_read_kernel: 113,
} as const
