import pg from 'pg';
import { startLocalPostgres } from '../../apps/demo/src/postgres/local-postgres.js';

// An app with a database of its own: `app-with-local-postgres.ts <dataDir>`. It reports as JSON lines, and on SIGINT
// it still writes a row before it stops, as a real app does with what it has in memory.
const [dataDir = ''] = process.argv.slice(2);
const report = (line: object): void => console.log(JSON.stringify(line));

const database = await startLocalPostgres({ dataDir, print: (notice) => report({ notice }) });
const client = new pg.Client(database.url);
await client.connect();
await client.query('CREATE TABLE IF NOT EXISTS marks (mark text)');

process.once('SIGINT', () => {
  void (async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await client.query("INSERT INTO marks VALUES ('written after SIGINT')");
    await client.end();
    await database.stop();
    report({ stopped: true });
  })();
});
// Not before it listens to the signal that the report is answered with.
report({ url: database.url });
