# frozen_string_literal: true

module Tarnvell
  # The walk along the dam, every Tuesday and Friday.
  class Patrol
    POINTS = %w[D1 D2 D3 spillway].freeze

    attr_reader :walker

    def initialize(walker)
      @walker = walker
      @seen = {}
    end

    # Seepage in litres a minute; more than 6 is reported as DP-77.
    def note(point, seepage)
      raise ArgumentError, "DP-70: no such point #{point}" unless POINTS.include?(point)

      @seen[point] = seepage
    end

    def complete? = @seen.size == POINTS.size

    def self.from_sheet(lines)
      new(lines.first.split.last).tap do |patrol|
        lines.drop(1).each { |line| patrol.note(*line.split) }
      end
    end

    class << self
      def overdue(days)
        days > 4
      end
    end
  end
end

def greet(patrol)
  puts "Good morning, #{patrol.walker}"
end
