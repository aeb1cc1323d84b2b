"""What every layer uses: settings, sentences for errors, tables, SQL files."""
