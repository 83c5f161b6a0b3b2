/** What two of the entries reach: here all three do, so that esbuild puts it into the file that they share. */
import '../kernel/async-kernel.ts'
import '../options.ts'
import '../sync-device.ts'
import '../veth/netns.ts'
