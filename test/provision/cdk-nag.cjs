// Runs cdk-nag's AwsSolutions pack over template.json of the working folder; its report is out/validation-report.json.
// The argument is the folder that `scripts/peers.mjs install cdk-nag` made.
const { createRequire } = require('node:module');
const path = require('node:path');

const tools = createRequire(path.join(process.argv[2], 'package.json'));
const { App, Stack, Validations } = tools('aws-cdk-lib');
const { CfnInclude } = tools('aws-cdk-lib/cloudformation-include');
const { AwsSolutionsChecks } = tools('cdk-nag');

const app = new App({ outdir: path.resolve('out') });
new CfnInclude(new Stack(app, 'imgrec'), 'template', { templateFile: 'template.json' });
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
try {
  app.synth();
} catch {
  // Findings make it throw; they are in the report.
}
