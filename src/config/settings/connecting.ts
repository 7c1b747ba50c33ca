import { z } from 'zod';
import { flag, optional, setting, text } from '../setting.ts';

/** Where a command connects, and how it speaks. */
export const connectingSettings = {
  cluster: setting({
    name: 'cluster',
    type: z.string().regex(/^[a-z][a-z0-9-]{0,19}$/, {
      error: 'must be 1 to 20 of a-z, 0-9 and "-", starting with a letter',
    }),
    default: 'imgrec',
    placeholder: 'NAME',
    help: 'name of the cluster; prefixes every queue, bucket and instance',
  }),
  local: setting({
    name: 'local',
    type: flag,
    default: false,
    help: 'use the local cloud of the state folder instead of AWS',
  }),
  state: setting({
    name: 'state',
    type: text,
    default: '.imgrec',
    placeholder: 'DIR',
    help: 'state folder of the local cloud',
  }),
  region: setting({
    name: 'region',
    type: optional(text),
    default: undefined,
    placeholder: 'REGION',
    help: "AWS region; the AWS SDK's own chain decides when absent",
  }),

  json: setting({ name: 'json', type: flag, default: false, help: 'print one JSON object on stdout' }),
  quiet: setting({ name: 'quiet', type: flag, default: false, help: 'print results and errors only' }),
  verbose: setting({ name: 'verbose', type: flag, default: false, help: 'print details and stack traces' }),
} as const;
