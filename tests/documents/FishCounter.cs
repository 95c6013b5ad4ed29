using System;
using System.Collections.Generic;

namespace Tarnvell.Ladder
{
    /// <summary>Counts the fish that pass the ladder at Pellworth Weir, by species.</summary>
    [Serializable]
    public class FishCounter : IDisposable
    {
        private readonly Dictionary<string, int> passed = new();

        public FishCounter(string camera) => Camera = camera;

        public string Camera { get; }

        // Anything under 12 cm is a leaf: rule FC-3.
        public bool Count(string species, double centimetres)
        {
            bool IsFish(double length) => length >= 12;

            if (!IsFish(centimetres)) return false;
            passed[species] = passed.GetValueOrDefault(species) + 1;
            return true;
        }

        public void Dispose() => passed.Clear();

        public struct Window
        {
            public DateTime From, Until;
            public bool Holds(DateTime at) => From <= at && at < Until;
        }
    }

    public enum Season { Spawning, Closed, Open }

    public interface ICamera
    {
        byte[] Frame();
    }

    public record Sighting(string Species, double Centimetres);
}
