import { openCluster } from '../src/aws/cluster.ts';
import { connect } from '../src/aws/connection.ts';
import type { Settings } from '../src/config/settings.ts';
import { ImgrecError, usageError } from '../src/errors.ts';
import { giveOrders, type Orders } from '../src/scaling/lease.ts';
import { openRegister } from '../src/scaling/open.ts';
import type { Command, CommandContext, CommandResult } from './command.ts';

const order = async (
  settings: Settings,
  { workingFolder }: CommandContext,
  change: (orders: Orders) => Orders,
  text: string,
): Promise<CommandResult> => {
  const cluster = await openCluster(connect(settings, workingFolder));
  const register = openRegister(cluster);
  try {
    const lock = await giveOrders(register, change);
    if (lock === undefined)
      throw new ImgrecError('the scaler wrote each time before this could', { hint: 'try again' });
    return { data: { schema: 'imgrec.scale.orders/1', orders: lock.orders }, text };
  } finally {
    register.close();
    cluster.close();
  }
};

/** What an operator says takes nothing from an update that is under way. */
const byOperator = ({ hold }: Orders, given: Omit<Orders, 'hold'>): Orders => ({
  ...given,
  ...(hold === undefined ? {} : { hold }),
});

export const scalePause: Command = {
  name: 'pause',
  summary: 'Launch and end no workers until "imgrec scale resume"',
  description:
    'Tell the scaler to launch and end no workers. It keeps looking and deciding, and finishes what it has begun. Holds for every scaler of the cluster, also those started later.',
  settings: [],
  examples: [
    { does: 'on the local cloud', line: 'imgrec scale pause --local' },
    { does: 'of another cluster, as JSON', line: 'imgrec scale pause --local --cluster demo --json' },
  ],
  run: (settings, context) =>
    order(settings, context, (orders) => ({ ...orders, paused: true }), 'paused until "imgrec scale resume"'),
};

export const scaleResume: Command = {
  name: 'resume',
  summary: 'Take back "pause" and "set": the policy decides again',
  settings: [],
  examples: [
    { does: 'on the local cloud', line: 'imgrec scale resume --local' },
    { does: 'of another cluster, as JSON', line: 'imgrec scale resume --local --cluster demo --json' },
  ],
  run: (settings, context) =>
    order(settings, context, (orders) => byOperator(orders, { paused: false }), 'the policy decides'),
};

const wholeNumber = /^\d{1,5}$/;

export const scaleSet: Command = {
  name: 'set',
  summary: 'Keep exactly this many workers until "imgrec scale resume"',
  description:
    'Tell the scaler how many workers to keep, whatever waits. It never goes above its --max-workers, and ends "pause".',
  operands: '<workers>',
  settings: [],
  examples: [
    { does: 'three workers', line: 'imgrec scale set 3 --local' },
    { does: 'none, as JSON', line: 'imgrec scale set 0 --local --json' },
  ],
  run: (settings, context) => {
    const [given = ''] = context.operands;
    if (!wholeNumber.test(given))
      throw usageError(
        `the number of workers must be a whole number, not "${given}"`,
        'such as: imgrec scale set 3',
      );
    const set = Number(given);
    return order(
      settings,
      context,
      (orders) => byOperator(orders, { paused: false, set }),
      `${set} ${set === 1 ? 'worker' : 'workers'} until "imgrec scale resume"`,
    );
  },
};
