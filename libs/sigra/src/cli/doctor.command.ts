import type { FrameworkAdapter } from '../common/proxy-trust.js';
import type { DiagnosisReport } from '../maintenance/doctor/diagnosis.js';
import { type Command, DATABASE_OPTIONS, EXIT, type ExitCode } from './command.js';
import { cellText } from './text-table.js';
import { UsageError } from './usage-error.js';

/** The parts of a Nest application that are used here. */
interface Application {
  getHttpAdapter(): FrameworkAdapter;
}

/** Looks for weaknesses of a set-up. */
export const doctorCommand: Command = {
  name: 'doctor',
  summary:
    'Looks for mistakes of the configuration, the tables, the connections and the server, and names the remedies.',
  details:
    'It only reads. Exits with 1 for errors, and with 3 for warnings alone or for checks that could not be made. With an export `app`,\nthe Nest application or a function that makes it, it also checks the trust in proxies.',
  options: { 'data-source': DATABASE_OPTIONS['data-source'], schema: DATABASE_OPTIONS.schema },
  async run({ args, output, signal }) {
    const [{ Logger }, { findSetUp }, { stderrLogger, withoutExtras }, { diagnose }] = await Promise.all([
      import('@nestjs/common'),
      import('./data-source.file.js'),
      import('./sigra.application.js'),
      import('../maintenance/doctor/diagnose.js'),
    ]);
    Logger.overrideLogger(stderrLogger(output.note.bind(output)));
    const { dataSource, options, app } = await findSetUp(args);
    signal.throwIfAborted();
    const report = await diagnose({
      dataSource,
      options: options && withoutExtras(options),
      adapter: app === undefined ? undefined : () => adapterOf(app),
    });
    if (dataSource.isInitialized) await dataSource.destroy();
    await output.result(report, () => textOf(report));
    return exitCodeOf(report);
  },
};

/** @throws UsageError when it is not a Nest application with HTTP */
async function adapterOf(app: unknown): Promise<FrameworkAdapter> {
  const made: unknown = await (typeof app === 'function' ? (app as () => unknown)() : app);
  const application = Object(made) as Partial<Application>;
  if (typeof application.getHttpAdapter !== 'function') throw new UsageError('The export `app` is not an application.');
  return application.getHttpAdapter();
}

function exitCodeOf({ findings, unchecked }: DiagnosisReport): ExitCode {
  if (findings.some(({ severity }) => severity === 'error')) return EXIT.failed;
  return findings.length + unchecked.length > 0 ? EXIT.findings : EXIT.ok;
}

function textOf({ findings, unchecked, checked }: DiagnosisReport): string {
  return [
    ...findings.map(({ severity, code, problem, remedy }) =>
      [`${severity} ${code}`, cellText(problem), cellText(remedy)].join('\n  '),
    ),
    ...unchecked.map(({ code, reason }) => [`not checked ${code}`, cellText(reason)].join('\n  ')),
    `${checked.length} checks, ${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}, ${unchecked.length} not checked`,
  ].join('\n');
}
