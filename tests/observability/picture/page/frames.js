// Prometheus' answers as Grafana's data frames, with the dashboard's field options applied.

import {
  FieldColorModeId,
  FieldConfigOptionsRegistry,
  FieldType,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createDataFrame,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  thresholdsOverrideProcessor,
} from '@grafana/data';

const STANDARD = ['unit', 'min', 'max', 'decimals', 'noValue', 'mappings', 'color', 'links'];
const CUSTOM = [
  'align', 'cellOptions', 'width', 'drawStyle', 'lineInterpolation', 'lineWidth', 'lineStyle', 'fillOpacity', 'gradientMode',
  'showPoints', 'pointSize', 'spanNulls', 'stacking', 'thresholdsStyle', 'axisPlacement', 'axisColorMode', 'axisLabel',
  'axisBorderShow', 'axisGridShow', 'axisCenteredZero', 'axisSoftMin', 'axisSoftMax', 'axisWidth', 'scaleDistribution', 'barAlignment',
  'barWidthFactor', 'hideFrom', 'insertNulls', 'filterable', 'inspect',
];
// What the panels' plugins have where the dashboard says nothing.
const OF_PLUGIN = {
  stat: { color: { mode: FieldColorModeId.Thresholds } },
  table: { color: { mode: FieldColorModeId.Thresholds }, custom: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false } },
  timeseries: {
    color: { mode: FieldColorModeId.PaletteClassic },
    custom: {
      drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none', barAlignment: 0,
      barWidthFactor: 0.6, stacking: { mode: 'none', group: 'A' }, axisPlacement: 'auto', axisColorMode: 'text', axisBorderShow: false,
      axisCenteredZero: false, axisLabel: '', scaleDistribution: { type: 'linear' }, showPoints: 'auto', pointSize: 5, spanNulls: false,
      insertNulls: false, hideFrom: { tooltip: false, viz: false, legend: false }, thresholdsStyle: { mode: 'off' },
    },
  },
};

const option = (id, path, isCustom, process = identityOverrideProcessor) => ({
  id, path, name: id, isCustom, process, shouldApply: () => true, editor: () => null, override: () => null, settings: {},
});
const registry = new FieldConfigOptionsRegistry(() => [
  ...STANDARD.map((id) => option(id, id, false)),
  option('displayName', 'displayName', false, displayNameOverrideProcessor),
  option('thresholds', 'thresholds', false, thresholdsOverrideProcessor),
  ...CUSTOM.map((id) => option(`custom.${id}`, id, true)),
]);

export function framesOf(panel, answers, range) {
  return panel.targets.flatMap((target) => {
    const series = answers[target.refId];
    return target.format === 'table' ? tableOf(target, series) : series.map((one) => seriesOf(target, one, range));
  });
}

export function withOptions(panel, frames, theme) {
  const plugin = OF_PLUGIN[panel.type];
  const { defaults, overrides } = panel.fieldConfig;
  const fieldConfig = {
    defaults: { ...plugin, ...defaults, custom: { ...plugin.custom, ...defaults.custom } },
    overrides,
  };
  const data = applyFieldOverrides({
    data: frames, fieldConfig, fieldConfigRegistry: registry, replaceVariables: (text) => text, theme, timeZone: 'utc',
  });
  cacheFieldDisplayNames(data);
  return { data, fieldConfig };
}

// A quotient of nothings is a gap.
const numberOf = (text) => (Number.isFinite(Number(text)) ? Number(text) : null);

function seriesOf(target, { metric, value, values = [value] }, range) {
  const known = new Map(values.map(([seconds, text]) => [Math.round((seconds - range.from) / range.step), numberOf(text)]));
  const steps = value ? [0] : [...Array(Math.floor((range.to - range.from) / range.step) + 1).keys()];
  const name = target.legendFormat && target.legendFormat.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => metric[label] ?? '');
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: steps.map((step) => (range.from + step * range.step) * 1000) },
      {
        name: 'Value',
        type: FieldType.number,
        labels: metric,
        config: name ? { displayNameFromDS: name } : {},
        values: value ? [numberOf(value[1])] : steps.map((step) => known.get(step) ?? null),
      },
    ],
  });
}

function tableOf(target, series) {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: series.map(({ value }) => value[0] * 1000) },
      ...labels.map((name) => ({
        name, type: FieldType.string, config: {}, values: series.map(({ metric }) => metric[name] ?? ''),
      })),
      { name: 'Value', type: FieldType.number, config: {}, values: series.map(({ value }) => numberOf(value[1])) },
    ],
  });
}
