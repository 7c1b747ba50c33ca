/** Every name a cluster uses; see docs/design for the table. */
export interface ClusterNames {
  readonly cluster: string;
  readonly requests: string;
  readonly deadLetters: string;
  readonly replies: (webId: string) => string;
  readonly replyPrefix: string;
  readonly inputBucket: string;
  readonly outputBucket: string;
  readonly opsBucket: string;
  /** What imgrec itself puts into the ops bucket: objects, and prefixes that end in a slash. */
  readonly opsEntries: readonly string[];
  readonly settingsParameter: string;
  /** Holds the id of an image that has the software in it, when one was made. */
  readonly imageParameter: string;
  /** SecureString with the keys that the web tier asks for, where it does. */
  readonly apiKeysParameter: string;
  readonly webName: string;
  readonly workerName: string;
  /** SSM document that stops a worker's unit, which is a SIGTERM. */
  readonly drainDocument: string;
}

/**
 * @param account 12 digits; together with the region it makes bucket names unique in the world.
 */
export const clusterNames = (cluster: string, account: string, region: string): ClusterNames => ({
  cluster,
  requests: `${cluster}-requests`,
  deadLetters: `${cluster}-requests-dlq`,
  replies: (webId) => `${cluster}-responses-${webId}`,
  replyPrefix: `${cluster}-responses-`,
  inputBucket: `${cluster}-input-${account}-${region}`,
  outputBucket: `${cluster}-output-${account}-${region}`,
  opsBucket: `${cluster}-ops-${account}-${region}`,
  opsEntries: ['install.json', 'artifacts/', 'fleet/', 'journal/', 'locks/', 'web/'],
  settingsParameter: `/imgrec/${cluster}/settings`,
  imageParameter: `/imgrec/${cluster}/image`,
  apiKeysParameter: `/imgrec/${cluster}/api-keys`,
  webName: `${cluster}-web`,
  workerName: `${cluster}-worker`,
  drainDocument: `${cluster}-drain`,
});

export const tagKeys = {
  cluster: 'imgrec:cluster',
  install: 'imgrec:install',
  role: 'imgrec:role',
  slot: 'imgrec:slot',
  /** Of an image: digest of the software in it. */
  artifact: 'imgrec:artifact',
  /** Of a web instance: `keys` when it asks for API keys, so that a change of that is a new version of its template. */
  access: 'imgrec:access',
  /** Of the web tier's security group: who was chosen to be let in, so that a later run need not be told again. */
  allowFrom: 'imgrec:allow-from',
} as const;
