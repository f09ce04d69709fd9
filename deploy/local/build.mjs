/* `npm run build`: compiles the sources into dist, whole or not at all. */
import { build, runCommandLine } from './prepare.mjs';

await runCommandLine(build);
