import { connect } from '../src/aws/connection.ts';
import { exitCodes } from '../src/errors.ts';
import { changesOf } from '../src/provision/plan.ts';
import { openProvisioner } from '../src/provision/provision.ts';
import { describeStep, renderPlan } from '../src/provision/render.ts';
import type { Command } from './command.ts';
import { choicesOf, resourceSettings } from './provision-choices.ts';

export const planCommand: Command = {
  name: 'plan',
  summary: 'Show what "imgrec provision" would do, and change nothing',
  settings: [...resourceSettings, 'detailedExitcode'],
  examples: [
    { does: 'on the local cloud', line: 'imgrec provision plan --local' },
    {
      does: 'in a script: exit 2 when something differs from what it should be',
      line: 'imgrec provision plan --local --json --detailed-exitcode',
    },
  ],
  run: async (settings, context) => {
    const provisioner = await openProvisioner(connect(settings, context.workingFolder));
    try {
      const plan = await provisioner.plan(choicesOf(settings, context), settings);
      const changes = changesOf(plan);
      const { names, place } = plan.site;
      return {
        data: {
          schema: 'imgrec.plan/1',
          cluster: names.cluster,
          account: place.account,
          region: place.region,
          steps: plan.steps.map(describeStep),
        },
        text: changes.length === 0 ? 'nothing to change' : renderPlan(changes),
        exitCode: settings.detailedExitcode && changes.length > 0 ? exitCodes.changes : exitCodes.done,
      };
    } finally {
      provisioner.close();
    }
  },
};
