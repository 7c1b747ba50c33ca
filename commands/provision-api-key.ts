import { renderApiKeys } from '../src/api-keys.ts';
import { connect } from '../src/aws/connection.ts';
import { clusterNames } from '../src/aws/names.ts';
import { createSsm } from '../src/aws/ssm.ts';
import { usageError } from '../src/errors.ts';
import { type KeyAction, keyActions, manageApiKeys } from '../src/provision/api-keys.ts';
import { rereadSeconds } from '../src/web/keyring.ts';
import type { Command } from './command.ts';

const isAction = (text: string): text is KeyAction => (keyActions as readonly string[]).includes(text);

const notes: Readonly<Record<KeyAction, string | undefined>> = {
  show: undefined,
  rotate: `the new key, which comes first, holds within ${rereadSeconds} s; the one before it until the next "rotate", or "revoke"`,
  revoke: `every other key ends within ${rereadSeconds} s`,
};

export const apiKeyCommand: Command = {
  name: 'api-key',
  summary: 'Print the API keys of the web tier, add one (rotate), or end all but the newest (revoke)',
  description:
    'Print the keys that "imgrec provision --api-keys" made, the newest first, in the form that --api-key-file reads. "rotate" makes another one, and the one before goes on to hold: give clients the new one, then "revoke" the old.',
  operands: '[action]',
  settings: [],
  examples: [
    {
      does: 'for a file that "imgrec bench --api-key-file" sends the first of',
      line: 'imgrec provision api-key --local',
    },
    {
      does: 'a new key beside the one that clients have',
      line: 'imgrec provision api-key rotate --local --json',
    },
    { does: 'only the new one from now on', line: 'imgrec provision api-key revoke --local' },
  ],
  run: async (settings, { operands: [action = 'show'], workingFolder, output }) => {
    if (!isAction(action))
      throw usageError(`there is no action "${action}"`, `there are ${keyActions.join(', ')}`);
    const ssm = createSsm(connect(settings, workingFolder));
    try {
      const keys = await manageApiKeys({ ssm, names: clusterNames(settings.cluster, '', '') }, action);
      const note = notes[action];
      if (note !== undefined) output.info(note);
      return { data: { schema: 'imgrec.provision.api-key/1', keys }, text: renderApiKeys(keys) };
    } finally {
      ssm.close();
    }
  },
};
