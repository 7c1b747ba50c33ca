import { z } from 'zod';
import { choice, flag, integer, optional, seconds, setting, text } from '../setting.ts';

/** A queue's name, never its URL: a URL would decide where signed requests go. */
const queueName = z.string().regex(/^[A-Za-z0-9_-]{1,80}$/, {
  error: 'must be the name of a standard queue: the last part of its URL',
});

/** The web tier, and the messages between it and the workers. */
export const servingSettings = {
  port: setting({
    name: 'port',
    type: integer(0, 65_535),
    default: 8081,
    placeholder: 'PORT',
    help: 'port of the web tier (0 = any free one)',
  }),
  host: setting({
    name: 'host',
    type: text,
    default: '127.0.0.1',
    placeholder: 'ADDRESS',
    help: 'address to listen on; anything but loopback needs --api-key-file, --api-keys or --public',
  }),
  public: setting({
    name: 'public',
    type: flag,
    default: false,
    help: 'allow --host to be reachable from other machines, without authentication',
  }),
  apiKeyFile: setting({
    name: 'api-key-file',
    type: optional(text),
    default: undefined,
    placeholder: 'FILE',
    help: 'file of API keys, "name:key" or a key a line: serve answers whoever sends one of them, bench sends the first',
  }),
  apiKeys: setting({
    name: 'api-keys',
    type: optional(flag),
    default: undefined,
    help: 'ask for the API keys that provision keeps in an SSM SecureString (default: as the cluster was made)',
  }),
  waitSeconds: setting({
    name: 'wait',
    type: seconds(0.1, 3_600),
    default: 300,
    placeholder: 'TIME',
    help: 'longest wait for an answer before 504 (the result stays available at /v1/results)',
  }),
  reply: setting({
    name: 'reply',
    type: choice(['label', 'stem:label', 'tuple', 'json']),
    default: 'label',
    placeholder: 'FORM',
    help: 'form of the answer: label, stem:label, tuple or json',
  }),

  transport: setting({
    name: 'transport',
    type: choice(['key', 'inline', 'seed']),
    default: 'key',
    placeholder: 'WAY',
    help: "how images reach the workers: key (through the input bucket), inline (up to 128 KiB in the message) or seed (the course project's messages)",
  }),
  requestQueue: setting({
    name: 'request-queue',
    type: optional(queueName),
    default: undefined,
    placeholder: 'NAME',
    help: 'with --transport seed: the queue of images, which must exist',
  }),
  responseQueue: setting({
    name: 'response-queue',
    type: optional(queueName),
    default: undefined,
    placeholder: 'NAME',
    help: 'with --transport seed: the queue of labels, which must exist',
  }),
  inputBucket: setting({
    name: 'input-bucket',
    type: optional(text),
    default: undefined,
    placeholder: 'NAME',
    help: 'with --transport seed: the bucket where images are stored, which must exist',
  }),
  outputBucket: setting({
    name: 'output-bucket',
    type: optional(text),
    default: undefined,
    placeholder: 'NAME',
    help: 'with --transport seed: the bucket where labels are stored, which must exist',
  }),
  seedForm: setting({
    name: 'seed-form',
    type: choice(['plain', 'tuple', 'json']),
    default: 'plain',
    placeholder: 'FORM',
    help: 'with --transport seed: how messages are written (all forms are read): plain ("name,base64" and "(name, label)"), tuple (with Python\'s quotes) or json',
  }),
} as const;
