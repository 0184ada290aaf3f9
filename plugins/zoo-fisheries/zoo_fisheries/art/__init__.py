"""The artist: fish, decks, people, light."""
