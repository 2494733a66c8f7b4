/** Adds a tag to a device: its registers are looked at first, and what they may mean is chosen from a list. */
import { useState } from 'preact/hooks';
import { Failure, Table, useOrder } from '../parts.tsx';
import { type Candidate, probe } from '../probing.ts';
import { percentText, plain } from '../shown.ts';
import { Field, type FormProps, NAME, NAME_HINT } from './forms.tsx';

/** A tag by its registers. */
export function TagForm({ hub, text, put, onRefused }: FormProps) {
  const [draft, change] = useState({ device: '', channel: '', unit: '', range: '', expected: '' });
  const [found, setFound] = useState<readonly Candidate[]>();
  const [chosen, choose] = useState<Candidate>();
  const [said, say] = useState('');
  const { isBusy, failed, give } = useOrder(onRefused);
  const field = (key: keyof typeof draft) => ({
    value: draft[key],
    set: (to: string) => change({ ...draft, [key]: to }),
  });
  const channels = hub.plant.status?.channels ?? [];
  const modbus = channels.filter(({ driver }) => driver.startsWith('modbus'));
  const devices = modbus.flatMap(({ devices: own }) => own.map(({ name }) => name));
  const setDevice = (device: string): void => {
    const channel = modbus.find(({ devices: own }) => own.some(({ name }) => name === device))?.name ?? '';
    change({ ...draft, device, channel, unit: unitIn(text, device) });
  };
  const look = (event: Event): void => {
    event.preventDefault();
    setFound(undefined);
    choose(undefined);
    void give(async () => {
      const list = await probe({ ...draft, unit: Number(draft.unit) }, say);
      setFound(list);
      if (draft.expected !== '') choose(list[0]);
    }).then(() => say(''));
  };
  if (devices.length === 0)
    return (
      <p>Registers are looked at on a Modbus channel, and none of this gateway has a device yet: add one first.</p>
    );
  return (
    <>
      <form class="form" onSubmit={look}>
        <Field label="Device" value={draft.device} set={setDevice} options={devices} />
        <Field label="Unit id" {...field('unit')} pattern="[0-9]{1,3}" hint="as it is set on the device" />
        <Field label="Registers" {...field('range')} hint="such as input:0-40, or 30001-30040 of a manual" />
        <Field label="The display shows" {...field('expected')} isOptional hint="such as 231.4; ranks what fits" />
        <p class="orders">
          <button type="submit" disabled={isBusy}>
            Look at the registers
          </button>
          <span role="status">{said}</span>
        </p>
        <Failure>{failed}</Failure>
      </form>
      {found && <Candidates {...{ found, chosen, choose }} isRanked={draft.expected !== ''} />}
      {chosen && <NameForm device={draft.device} chosen={chosen} put={put} />}
    </>
  );
}

interface NameFormProps extends Pick<FormProps, 'put'> {
  readonly device: string;
  readonly chosen: Candidate;
}

/** What was taken gets a name, and goes into the file. */
function NameForm({ device, chosen: { address, type, order, scale }, put }: NameFormProps) {
  const [name, setName] = useState('');
  const [unit, setUnit] = useState('');
  const add = (event: Event): void => {
    event.preventDefault();
    const value = {
      address,
      type,
      ...(order !== 'ABCD' && { order }),
      ...(scale !== '1' && { scale: Number(scale) }),
      ...(unit !== '' && { unit }),
    };
    void put(['devices', device, 'tags', name], value);
  };
  return (
    <form class="form" onSubmit={add}>
      <Field label="Name of the tag" value={name} set={setName} pattern={NAME} hint={NAME_HINT} />
      <Field label="Unit" value={unit} set={setUnit} isOptional hint="such as V or °C" />
      <p class="orders">
        <button type="submit">Put it into the file</button>
      </p>
    </form>
  );
}

interface CandidatesProps {
  readonly found: readonly Candidate[];
  readonly chosen: Candidate | undefined;
  readonly choose: (candidate: Candidate) => void;
  /** Whether they are the places of one value. */
  readonly isRanked: boolean;
}

function Candidates({ found, chosen, choose, isRanked }: CandidatesProps) {
  if (found.length === 0)
    return <p role="status">Nothing there shows it. Read the display again, or widen the range.</p>;
  return (
    <Table
      label="What the registers may mean"
      head={['Registers', 'Read as', 'Value', isRanked ? 'Sure' : 'Likely', '']}
    >
      {found.map((one) => (
        <tr key={`${one.address} ${one.type} ${one.order} ${one.scale}`}>
          <th scope="row">{one.address}</th>
          <td>
            {one.type}
            {one.order === 'ABCD' ? '' : ` ${one.order}`}
            {one.scale === '1' ? '' : ` × ${one.scale}`}
          </td>
          <td>{plain(one.value)}</td>
          <td>{one.share > 0 ? percentText(one.share) : '–'}</td>
          <td>
            <button type="button" class="quiet" aria-pressed={one === chosen} onClick={() => choose(one)}>
              {one === chosen ? 'Taken' : 'Take'}
            </button>
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** The unit id of a device as the text has it; empty where it is not to be seen. */
function unitIn(text: string, device: string): string {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => new RegExp(`^\\s+["']?${device}["']?:`).test(line));
  if (at < 0) return '';
  const indent = /^\s*/.exec(lines[at]!)![0].length;
  const end = lines.findIndex(
    (line, index) => index > at && line.trim() !== '' && /^\s*/.exec(line)![0].length <= indent,
  );
  const own = lines.slice(at, end < 0 ? undefined : end).join('\n');
  return /\bunit:\s*(\d{1,3})\b/.exec(own)?.[1] ?? '';
}
