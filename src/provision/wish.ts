import { drainCommand, readBootScript, renderUserData } from '../fleet/user-data.ts';
import type { Clouds } from './clouds.ts';
import type { MachineChoices } from './machines.ts';
import { survey } from './survey.ts';
import type { Choices, Wish } from './wanted.ts';

/** What somebody chose of a cluster. */
export interface Order extends Choices {
  /** Absent: only what a cluster needs whose machines are somebody else's. */
  readonly machines?: MachineChoices;
  /** What a part gets to finish what runs, before its machine stops it. */
  readonly graceSeconds?: number;
}

/** What is asked for, with what had to be looked up for it. Throws as `survey` does. */
export const wishOf = async (
  clouds: Clouds,
  { machines, graceSeconds = 30, ...choices }: Order,
): Promise<Wish> => {
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
