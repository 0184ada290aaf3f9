"""Published filters of zoo, trained again by their own recipe: are the metrics what was published?"""
