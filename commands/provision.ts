import { connect } from '../src/aws/connection.ts';
import { changesOf } from '../src/provision/plan.ts';
import { carryOut, openProvisioner } from '../src/provision/provision.ts';
import { renderCost, renderDone, renderPlan } from '../src/provision/render.ts';
import { untilHealthy } from '../src/provision/until-healthy.ts';
import { wishOf } from '../src/provision/wish.ts';
import type { Command } from './command.ts';
import { apiKeyCommand } from './provision-api-key.ts';
import { confirm, costOf, orderOf, resourceSettings } from './provision-choices.ts';
import { destroyCommand } from './provision-destroy.ts';
import { imageCommand } from './provision-image.ts';
import { planCommand } from './provision-plan.ts';
import { policyCommand } from './provision-policy.ts';
import { updateCommand } from './provision-update.ts';

export const provision: Command = {
  name: 'provision',
  summary: "Make a cluster's resources, or bring them back to what they should be",
  description:
    'Show what has to be made or changed, ask, and do it. A second run changes nothing; one that was interrupted is carried on by the next.',
  settings: [...resourceSettings, 'untilHealthy', 'yes'],
  aliases: { untilHealthy: { flag: '--wait' } },
  examples: [
    {
      does: 'on the local cloud that "imgrec dev --only cloud" runs',
      line: 'imgrec provision --local --web-instances 0 --yes',
    },
    { does: 'on AWS, under another name', line: 'imgrec provision --cluster demo --region eu-central-1' },
    {
      does: 'a web tier that asks for an API key',
      line: 'imgrec provision --local --web-instances 0 --api-keys --yes',
    },
  ],
  subcommands: [planCommand, updateCommand, imageCommand, destroyCommand, policyCommand, apiKeyCommand],
  run: async (settings, context) => {
    const { output, workingFolder, signal } = context;
    const provisioner = await openProvisioner(connect(settings, workingFolder), {
      signal,
      say: output.info,
    });
    try {
      const wish = await wishOf(provisioner.clouds, orderOf(settings, context));
      const cost = costOf(settings, wish, workingFolder);
      const plan = await provisioner.plan(wish, settings);
      const changes = changesOf(plan);
      if (changes.length > 0) {
        output.info(renderPlan(changes));
        if (cost !== undefined) output.info(renderCost(cost));
        await confirm(`Make these ${changes.length} changes?`, settings, context);
      }
      const report = await carryOut(provisioner, wish, plan, {
        adopt: settings.adopt,
        onDone: (step, seconds) => output.info(renderDone(step, seconds)),
      });
      // Never the key itself: what this prints ends up in the logs of whoever automates it.
      if (report.changes.some(({ kind, action }) => kind === 'secret' && action !== 'delete'))
        output.info('there is a new API key: "imgrec provision api-key" prints it');
      if (settings.untilHealthy) await untilHealthy(provisioner, settings.port);
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
