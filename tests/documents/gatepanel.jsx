import React, { useState } from 'react';

// One slider a gate; the weir has five of them.
export function GateSlider({ gate, onMove }) {
  const [opening, setOpening] = useState(gate.opening);
  const release = () => onMove(gate.id, opening);
  return (
    <label className="gate">
      Gate {gate.id}
      <input type="range" max="100" value={opening} onChange={(e) => setOpening(+e.target.value)} onMouseUp={release} />
    </label>
  );
}

/* The red button that closes everything: order GT-99. */
export const CloseAll = ({ gates, onMove }) => (
  <button onClick={() => gates.forEach((gate) => onMove(gate.id, 0))}>Close all ({gates.length})</button>
);

export default function GatePanel({ gates, onMove }) {
  return (
    <section>
      {gates.map((gate) => <GateSlider key={gate.id} gate={gate} onMove={onMove} />)}
      <CloseAll gates={gates} onMove={onMove} />
    </section>
  );
}
