import pg from 'pg';
import { startLocalPostgres } from '../src/local-postgres.js';

// An app with its own database: `app-with-database.ts <dataDir>`. It reports as JSON lines. On SIGINT it writes a row
// before it stops, as a real app writes the data that it has in memory.
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
// Last, because the test can send SIGINT as soon as it receives this line.
report({ url: database.url });
