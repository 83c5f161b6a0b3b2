/** Helpers that our programs call: enum bpf_func_id, include/uapi/linux/bpf.h. None of these is gpl_only. */
export const BPF_FUNC = {
  map_lookup_elem: 1,
  map_update_elem: 2,
  redirect: 23,
  redirect_map: 51,
} as const
