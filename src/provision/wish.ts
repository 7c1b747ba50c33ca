import { drainCommand, readBootScript, renderUserData } from '../fleet/user-data.ts';
import type { Clouds } from './clouds.ts';
import type { MachineChoices } from './machines.ts';
import { survey } from './survey.ts';
import type { Choices, Wish } from './wanted.ts';

/** What somebody chose of a cluster. */
export interface Order extends Omit<Choices, 'apiKeys'> {
  /** Whether the web tier asks for API keys; as it does now when absent. */
  readonly apiKeys?: boolean | undefined;
  /** Absent: only what a cluster needs whose machines are somebody else's. */
  readonly machines?: MachineChoices;
  /** What a part gets to finish what runs, before its machine stops it. */
  readonly graceSeconds?: number;
}

/** Once a cluster asks for keys it goes on to, until somebody says that it should not: a forgotten flag opens nothing. */
const asksForKeys = async ({ ssm, names }: Clouds, chosen: boolean | undefined): Promise<boolean> =>
  chosen ?? (await ssm.typeOf(names.apiKeysParameter)) !== undefined;

/** What is asked for, with what had to be looked up for it. Throws as `survey` does. */
export const wishOf = async (
  clouds: Clouds,
  { machines, graceSeconds = 30, apiKeys: chosen, ...others }: Order,
): Promise<Wish> => {
  const choices = { ...others, apiKeys: await asksForKeys(clouds, chosen) };
  if (machines === undefined) return choices;
  const surroundings = await survey(clouds, machines);
  const bootScript = readBootScript();
  const { cluster } = clouds.names;
  return {
    ...choices,
    machines: {
      choices: machines,
      surroundings,
      userData: (role, artifact) =>
        renderUserData(bootScript, { v: 1, role, cluster, artifact }, { graceSeconds }),
      drainCommand,
    },
  };
};
