import { readEnvironment } from './environment.js';
import { Shutdown } from './shutdown.js';
import { StartError } from './start-error.js';

const shutdown = new Shutdown();
shutdown.onSignals();

try {
  const environment = readEnvironment(process.env);
  // Loading the application takes seconds, and a mistake in the environment needs none of it.
  const { startDemo } = await import('./start-demo.js');
  console.log(await startDemo(environment, shutdown));
} catch (error) {
  // An interrupted start fails as well, but that is not an error.
  if (!shutdown.begun) {
    console.error(error instanceof StartError ? error.message : error);
    await shutdown.run();
    process.exit(1);
  }
}
