import { connect } from '../src/aws/connection.ts';
import { changesOf } from '../src/provision/plan.ts';
import { openProvisioner } from '../src/provision/provision.ts';
import { renderDone, renderPlan } from '../src/provision/render.ts';
import type { Command } from './command.ts';
import { choicesOf, confirm, resourceSettings } from './provision-choices.ts';
import { destroyCommand } from './provision-destroy.ts';
import { planCommand } from './provision-plan.ts';

export const provision: Command = {
  name: 'provision',
  summary: "Make a cluster's resources, or bring them back to what they should be",
  description:
    'Show what has to be made or changed, ask, and do it. A second run changes nothing; one that was interrupted is carried on by the next.',
  settings: [...resourceSettings, 'yes'],
  examples: [
    {
      does: 'on the local cloud that "imgrec dev --only cloud" runs',
      line: 'imgrec provision --local --yes',
    },
    { does: 'on AWS, under another name', line: 'imgrec provision --cluster demo --region eu-central-1' },
  ],
  subcommands: [planCommand, destroyCommand],
  run: async (settings, context) => {
    const { output, workingFolder, signal } = context;
    const provisioner = await openProvisioner(connect(settings, workingFolder), {
      signal,
      say: output.info,
    });
    try {
      const plan = await provisioner.plan(choicesOf(settings, context), settings);
      const changes = changesOf(plan);
      if (changes.length > 0) {
        output.info(renderPlan(changes));
        await confirm(`Make these ${changes.length} changes?`, settings, context);
      }
      const report = await provisioner.apply(plan, (step, seconds) => output.info(renderDone(step, seconds)));
      const { resources, cluster, account, region } = report;
      const outcome = changes.length === 0 ? 'nothing to change' : `${changes.length} changed`;
      return {
        data: { schema: 'imgrec.provision/1', ...report },
        text: `cluster ${cluster} in account ${account}, ${region}: ${resources.length} resources, ${outcome}`,
      };
    } finally {
      provisioner.close();
    }
  },
};
