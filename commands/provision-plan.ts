import { connect } from '../src/aws/connection.ts';
import { exitCodes } from '../src/errors.ts';
import { cloudFormation } from '../src/provision/cloudformation.ts';
import { describeStep } from '../src/provision/diff.ts';
import { changesOf } from '../src/provision/plan.ts';
import { openProvisioner } from '../src/provision/provision.ts';
import { renderCost, renderPlan } from '../src/provision/render.ts';
import { wishOf } from '../src/provision/wish.ts';
import type { Command } from './command.ts';
import { costOf, orderOf, resourceSettings } from './provision-choices.ts';

export const planCommand: Command = {
  name: 'plan',
  summary: 'Show what "imgrec provision" would do, and change nothing',
  settings: [...resourceSettings, 'format', 'detailedExitcode'],
  examples: [
    { does: 'on the local cloud', line: 'imgrec provision plan --local --web-instances 0' },
    {
      does: 'in a script: exit 2 when something differs from what it should be',
      line: 'imgrec provision plan --local --web-instances 0 --json --detailed-exitcode',
    },
    {
      does: 'as a CloudFormation template',
      line: 'imgrec provision plan --local --format cloudformation',
    },
  ],
  run: async (settings, context) => {
    const provisioner = await openProvisioner(connect(settings, context.workingFolder));
    try {
      const wish = await wishOf(provisioner.clouds, orderOf(settings, context));
      const cost = costOf(settings, wish, context.workingFolder);
      const plan = await provisioner.plan(wish, settings);
      const changes = changesOf(plan);
      const { names, place } = plan.site;
      const exitCode = settings.detailedExitcode && changes.length > 0 ? exitCodes.changes : exitCodes.done;
      if (settings.format === 'cloudformation') {
        const template = cloudFormation(names.cluster, plan.wanted);
        return {
          data: { schema: 'imgrec.template/1', template },
          text: JSON.stringify(template, null, 2),
          exitCode,
        };
      }
      return {
        data: {
          schema: 'imgrec.plan/1',
          cluster: names.cluster,
          account: place.account,
          region: place.region,
          steps: plan.steps.map(describeStep),
          monthlyCost: cost,
        },
        text: `${changes.length === 0 ? 'nothing to change' : renderPlan(changes)}${cost === undefined ? '' : `\n${renderCost(cost)}`}`,
        exitCode,
      };
    } finally {
      provisioner.close();
    }
  },
};
