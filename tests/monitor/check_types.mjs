// Holds dashboards to the types that Grafana itself is built with (npm's @grafana/schema), by TypeScript's compiler: a key
// that Grafana does not know, a value that is not of its lists, a field that is missing. Of each panel the options and the
// field configuration too, by its kind. Usage: check_types.mjs DASHBOARD.json...   Prints what does not fit; exit status 1.

import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));

// Types of Grafana speak of enums, JSON of their values: `${SomeEnum}` is the one as the other. What a query for Prometheus
// looks like is not in the package (it belongs to a plug-in); its fields are these.
const prelude = `
import type { Dashboard, Panel, RowPanel, FieldConfig, VariableModel, DataSourceRef } from '@grafana/schema';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';

type Json<T> = T extends string ? (string extends T ? string : \`\${T}\`)
    : T extends number | boolean | null | undefined ? T
    : T extends Array<infer E> ? Json<E>[]
    : T extends object ? { [K in keyof T]: Json<T[K]> }
    : T;
interface Query {
    refId: string; datasource: DataSourceRef; expr: string; legendFormat?: string; instant?: boolean; range?: boolean;
    format?: 'time_series' | 'table' | 'heatmap';
}
interface Field<Custom> {
    defaults: Omit<Json<FieldConfig>, 'custom'> & { custom?: Json<Custom> };
    overrides: { matcher: { id: string; options?: unknown }; properties: { id: string; value?: unknown }[] }[];
}
type Of<Kind, Options, Custom> = Omit<Json<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'>
    & { type: Kind; title: string; description: string; options: Json<Options>; fieldConfig: Field<Custom>; targets: Query[] };
type Frame = Omit<Json<Dashboard>, 'panels' | 'templating'> & { templating: { list: Json<VariableModel>[] } };
type Panels = {
    timeseries: Of<'timeseries', timeseries.Options, timeseries.FieldConfig>;
    stat: Of<'stat', stat.Options, {}>;
    table: Of<'table', Omit<table.Options, 'frameIndex'> & { frameIndex?: number }, table.FieldConfig>;
    row: Json<RowPanel>;
};
`;

function program(source) {
    const name = join(here, 'dashboard.check.ts');  // not on disk; modules are looked for from here
    const options = { strict: true, noEmit: true, skipLibCheck: true, types: [], lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
        target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
    const host = ts.createCompilerHost(options);
    const { getSourceFile, fileExists } = host;
    host.getSourceFile = (file, ...others) =>
        file === name ? ts.createSourceFile(file, source, ts.ScriptTarget.ES2022, true) : getSourceFile(file, ...others);
    host.fileExists = (file) => file === name || fileExists(file);
    return ts.createProgram([name], options, host);
}

// One constant for each panel, so that a message says which one it is about.
let source = prelude;
const about = [];
for (const file of process.argv.slice(2)) {
    const { panels, ...frame } = JSON.parse(readFileSync(file, 'utf8'));
    const add = (what, type, value) => {
        about.push({ from: source.length, what: `${basename(file)}: ${what}` });
        source += `export const c${about.length}: ${type} = ${JSON.stringify(value, null, 1)};\n`;
    };
    add('dashboard', 'Frame', frame);
    for (const panel of panels) {
        add(`panel "${panel.title}"`, `Panels[${JSON.stringify(panel.type)}]`, panel);
    }
}

const found = ts.getPreEmitDiagnostics(program(source));
for (const each of found) {
    const where = about.findLast((a) => a.from <= (each.start ?? 0));
    console.log(`${where?.what ?? 'types'}: ${ts.flattenDiagnosticMessageText(each.messageText, '\n  ')}`);
}
process.exit(found.length === 0 && about.length > 0 ? 0 : 1);
