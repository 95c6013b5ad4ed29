import * as React from "react";

type Reading = { at: string; centimetres: number };

interface ChartProps {
  readings: Reading[];
  warnAt?: number;
}

/** A bar for each reading of the tailwater below Osmundholt; red where fish would be stranded. */
export const TailwaterChart: React.FC<ChartProps> = ({ readings, warnAt = 35 }) => {
  const colour = (reading: Reading) => (reading.centimetres < warnAt ? "crimson" : "teal");
  return (
    <ol>
      {readings.map((reading) => (
        <li key={reading.at} style={{ color: colour(reading) }}>{reading.centimetres} cm</li>
      ))}
    </ol>
  );
};

export class Legend extends React.Component<{ code: string }> {
  // Notice TW-12 hangs beside the ladder.
  render() {
    return <p>{this.props.code}: minimum depth 35 cm</p>;
  }
}
