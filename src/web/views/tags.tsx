/** Devices and tags: every value with its age, its quality and its band. */
import { useState } from 'preact/hooks';
import type { Hub } from '../hub.ts';
import { Bar, Panel, Reading, Spark, Table } from '../parts.tsx';
import { byDevice, describeLine } from '../plant-state.ts';
import { plain } from '../shown.ts';

/** All tags, or those of one device. */
export function Tags({ hub, device }: { readonly hub: Hub; readonly device: string | undefined }) {
  const [wanted, want] = useState('');
  const isWanted = (text: string): boolean => text.toLowerCase().includes(wanted.toLowerCase());
  const devices = [...byDevice(hub.tags)].filter(([name]) => device === undefined || name === device);
  return (
    <>
      <p>
        <label>
          Find <input type="search" value={wanted} onInput={(event) => want(event.currentTarget.value)} />
        </label>{' '}
        {device !== undefined && <a href="#/tags">all devices</a>}
      </p>
      {devices.map(([name, tags]) => {
        const found = tags.filter(({ tag, description }) => isWanted(`${tag} ${description ?? ''}`));
        if (found.length === 0) return null;
        return (
          <Panel key={name} title={name} note={describeLine(hub.plant.status, name)}>
            <Table kind="tags" label={`Tags of ${name}`} head={['Tag', 'Value', 'Normal band', 'Last minute']}>
              {found.map((tag) => (
                <tr key={tag.tag}>
                  <th scope="row">
                    <a href={`#/tag/${tag.tag}`}>{tag.tag.split('/')[1]}</a>
                    {tag.description !== undefined && <span class="note">{plain(tag.description)}</span>}
                  </th>
                  <td>
                    <Reading hub={hub} tag={tag} />
                  </td>
                  <td>
                    <Bar hub={hub} tag={tag} />
                  </td>
                  <td>
                    <Spark hub={hub} tag={tag.tag} />
                  </td>
                </tr>
              ))}
            </Table>
          </Panel>
        );
      })}
    </>
  );
}
