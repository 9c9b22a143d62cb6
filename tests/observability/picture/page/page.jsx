// The dashboard's rows that the address names, laid out as Grafana does, each panel drawn by Grafana's component for it.

import { createRoot } from 'react-dom/client';
import { ThemeContext, createTheme, dateTime, getDisplayValueAlignmentFactors, getFieldDisplayValues, standardTransformers,
  standardTransformersRegistry, transformDataFrame } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { BigValue, GlobalStyles, Icon, PanelChrome, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { lastValueFrom } from 'rxjs';
import { framesOf, withOptions } from './frames.js';

const CELL = 30;
const GAP = 8;
const PADDING = 16;
const HEAD = 48;

const theme = createTheme({ colors: { mode: 'dark' } });
const asText = (text) => text;

function Stat({ panel, frames, width, height }) {
  const { fieldConfig } = withOptions(panel, frames, theme);
  const { options } = panel;
  const values = () => getFieldDisplayValues({
    data: withOptions(panel, frames, theme).data, fieldConfig, reduceOptions: options.reduceOptions, replaceVariables: asText, theme, timeZone: 'utc',
  });
  return (
    <VizRepeater
      getValues={values} getAlignmentFactors={getDisplayValueAlignmentFactors} source={frames} autoGrid renderCounter={0}
      orientation={options.orientation} width={width} height={height}
      renderValue={({ value, width, height, alignmentFactors, count }) => (
        <BigValue
          value={value.display} width={width} height={height} count={count} alignmentFactors={alignmentFactors} theme={theme}
          colorMode={options.colorMode} graphMode={options.graphMode} justifyMode={options.justifyMode} textMode={options.textMode}
        />
      )}
    />
  );
}

function Graph({ panel, frames, range, width, height }) {
  const { data } = withOptions(panel, frames, theme);
  const ends = { from: dateTime(range.from * 1000), to: dateTime(range.to * 1000) };
  return (
    <TimeSeries
      frames={data} timeRange={{ ...ends, raw: ends }} timeZone="utc" width={width} height={height} options={panel.options}
      legend={{ calcs: [], ...panel.options.legend }}
    />
  );
}

function Table({ panel, frames, width, height }) {
  const { data, fieldConfig } = withOptions(panel, frames, theme);
  return (
    <TableNG
      data={data[0]} width={width} height={height} fieldConfig={fieldConfig} sortBy={panel.options.sortBy} cellHeight="sm"
      noHeader={!panel.options.showHeader} enableVirtualization={false} structureRev={1}
    />
  );
}

const COMPONENTS = { stat: Stat, timeseries: Graph, table: Table };

function Panel({ panel, frames, range, width, height }) {
  const Component = COMPONENTS[panel.type];
  const isEmpty = !frames.some((frame) => frame.length);
  return (
    <PanelChrome title={panel.title} description={panel.description} width={width} height={height} padding={panel.type === 'table' ? 'none' : 'md'}>
      {(innerWidth, innerHeight) => isEmpty
        ? <div className="empty">{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>
        : <Component panel={panel} frames={frames} range={range} width={innerWidth} height={innerHeight} />}
    </PanelChrome>
  );
}

function Dashboard({ board, recording, panels, framesOfPanels, width }) {
  const column = (width - 2 * PADDING + GAP) / 24;
  const first = panels[0].gridPos.y;
  const range = rangeOf(recording);
  const at = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);
  return (
    <>
      <header>
        <h1>{board.title}</h1>
        <span className="chosen"><b>Namespace</b>{recording.namespace}</span>
        <span className="time"><Icon name="clock-nine" />{at(recording.from)} to {at(recording.to)} UTC</span>
      </header>
      {panels.map((panel) => {
        const { x, y, w, h } = panel.gridPos;
        const place = { left: PADDING + x * column, top: HEAD + (y - first) * (CELL + GAP), width: w * column - GAP, height: h * (CELL + GAP) - GAP };
        return (
          <div key={panel.id} className="place" style={place}>
            {panel.type === 'row'
              ? <div className="title-of-row"><Icon name="angle-down" />{panel.title}</div>
              : <Panel panel={panel} frames={framesOfPanels[panel.id]} range={range} width={place.width} height={place.height} />}
          </div>
        );
      })}
    </>
  );
}

const rangeOf = ({ from, to, step }) => ({ from, to, step });

async function framesOfPanel(panel, recording) {
  const frames = framesOf(panel, recording.answers[panel.id], rangeOf(recording));
  return lastValueFrom(transformDataFrame(panel.transformations ?? [], frames));
}

async function draw() {
  await initPluginTranslations('grafana-ui');
  await Promise.all(['400 12px Inter', '500 12px Inter'].map((font) => document.fonts.load(font))); // measured before they are drawn
  const transformers = new Map(Object.values(standardTransformers).map((transformation) => [transformation.id, transformation]));
  standardTransformersRegistry.setInit(() => [...transformers].map(([id, transformation]) => ({ id, name: id, transformation: () => Promise.resolve(transformation) })));
  const [board, recording] = await Promise.all(['board.json', 'recording.json'].map(async (name) => (await fetch(name)).json()));
  const ids = new URLSearchParams(location.search).get('panels').split(',').map(Number);
  const panels = board.panels.filter(({ id }) => ids.includes(id));
  const framesOfPanels = {};
  for (const panel of panels.filter(({ type }) => type !== 'row')) {
    framesOfPanels[panel.id] = await framesOfPanel(panel, recording);
  }
  createRoot(document.querySelector('main')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Dashboard board={board} recording={recording} panels={panels} framesOfPanels={framesOfPanels} width={innerWidth} />
    </ThemeContext.Provider>,
  );
}

draw();
