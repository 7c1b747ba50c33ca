import { z } from 'zod';
import { flag, fraction, integer, optional, seconds, setting, text } from '../setting.ts';

/** `imgrec bench`. */
export const benchingSettings = {
  dev: setting({
    name: 'dev',
    type: flag,
    default: false,
    help: 'start a cluster on this machine for the measurement, on free ports, and stop it afterwards',
  }),
  url: setting({
    name: 'url',
    type: optional(z.url({ protocol: /^https?$/, error: 'must be an http or https URL' })),
    default: undefined,
    placeholder: 'URL',
    help: 'web tier to send images to',
  }),
  images: setting({
    name: 'images',
    type: optional(text),
    default: undefined,
    placeholder: 'DIR',
    help: 'folder of images to send (default: 100 variations of the sample photos)',
  }),
  truth: setting({
    name: 'truth',
    type: optional(text),
    default: undefined,
    placeholder: 'FILE',
    help: 'ground truth, "name,label" a line; "a|b" where several labels are right',
  }),
  requests: setting({
    name: 'requests',
    type: integer(1, 10_000_000),
    default: 100,
    placeholder: 'N',
    help: 'requests to send, each image file in turn',
  }),
  concurrency: setting({
    name: 'concurrency',
    type: integer(1, 10_000),
    default: 20,
    placeholder: 'N',
    help: 'requests in flight at once',
  }),
  requestTimeoutSeconds: setting({
    name: 'request-timeout',
    type: seconds(0.1, 86_400),
    default: 330,
    placeholder: 'TIME',
    help: "longest silence of the server before a request counts as failed; keep it above the server's --wait",
  }),
  lostAfterSeconds: setting({
    name: 'lost-after',
    type: seconds(0, 3_600),
    default: 60,
    placeholder: 'TIME',
    help: 'how long after the run an accepted image may be without a result before it counts as lost',
  }),
  minAccuracy: setting({
    name: 'min-accuracy',
    type: optional(fraction),
    default: undefined,
    placeholder: 'FRACTION',
    help: 'exit 4 when fewer answers than this agree with the truth',
  }),
} as const;
