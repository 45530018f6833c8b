import { readEnvironment } from './environment.js';
import { Shutdown } from './shutdown.js';
import { startDemo } from './start-demo.js';
import { StartError } from './start-error.js';

const shutdown = new Shutdown();
shutdown.onSignals();

try {
  console.log(await startDemo(readEnvironment(process.env), shutdown));
} catch (error) {
  // A start that was interrupted fails as well, and there is nothing to say about it.
  if (!shutdown.begun) {
    console.error(error instanceof StartError ? error.message : error);
    await shutdown.run();
    process.exit(1);
  }
}
