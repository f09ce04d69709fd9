import * as module from 'node:module';
import { load } from './typescript-loader.mjs';

// Where both are there, Node.js warns of the older one, which runs its hooks in a thread of their own.
if ('registerHooks' in module) module.registerHooks({ load });
else module.register('./typescript-loader.mjs', import.meta.url);
