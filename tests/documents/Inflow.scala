package hydro.tarnvell

/** What the catchment sends down, in cubic metres a second. */
case class Inflow(hour: Int, flow: Double)

object Forecast {
  // The Öster Lune needs nine hours from the snow line to the lake: SC-90.
  val delay = 9

  def shifted(rain: Seq[Inflow]): Seq[Inflow] =
    rain.map(inflow => inflow.copy(hour = inflow.hour + delay))

  def peak(rain: Seq[Inflow]): Option[Inflow] = {
    shifted(rain).maxByOption(_.flow)
  }
}

trait Reservoir {
  def storedMegalitres: Double

  def isFull: Boolean = storedMegalitres > 8400
}

class Lake(val storedMegalitres: Double) extends Reservoir
